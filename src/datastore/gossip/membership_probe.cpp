// SPDX-License-Identifier: Apache-2.0
// Membership's clockwork: probing, favours for others, and what is due.
#include <algorithm>

#include "datastore/gossip/membership.hpp"

namespace twill::gossip {

void Membership::on(const Ping& ping, const Endpoint& from) {
  // The name is asked for, so that an address that went to another node does not answer for the old one.
  if (ping.node != options_.name) return;
  send(ping.source.value_or(from), encode(Message(Ack{ping.sequence, ackPayload(ping)})), false);
}

void Membership::on(const IndirectPing& ping, const Endpoint& from) {
  // Each favour costs memory until its time is over: a flood of them is not answered.
  constexpr std::size_t kMostFavours = 1024;
  if (favours_.size() >= kMostFavours) return;
  const std::uint32_t sequence = nextSequence();
  favours_[sequence] = {ping.sequence, ping.source.value_or(from), ping.nack,
                        now_ + options_.timers.probeTimeout};
  send(ping.target, encode(Message(Ping{sequence, ping.node, options_.endpoint, options_.name})), false);
}

void Membership::on(const Ack& ack) {
  if (const auto favour = favours_.find(ack.sequence); favour != favours_.end()) {
    send(favour->second.asker, encode(Message(Ack{favour->second.theirSequence, {}})), false);
    favours_.erase(favour);
  }
  if (!probe_ || probe_->sequence != ack.sequence) return;
  if (const auto target = members_.find(probe_->node); target != members_.end()) {
    target->second->detours = probe_->indirect ? target->second->detours + 1 : 0;
    compare(*target->second, ack.payload);
  }
  endProbe(true);
}

void Membership::answeredByStream(Time now, std::uint32_t sequence) {
  now_ = now;
  if (!probe_ || probe_->sequence != sequence) return;
  if (const auto target = members_.find(probe_->node); target != members_.end()) target->second->detours = 0;
  endProbe(true);
}

void Membership::on(const Nack& nack) {
  if (probe_ && probe_->sequence == nack.sequence) probe_->nacks++;
}

void Membership::probeNext() {
  if (probe_) endProbe(false);
  for (std::size_t looked = 0; looked <= ring_.size(); ++looked) {
    if (turn_ >= ring_.size()) {
      reap();
      std::shuffle(ring_.begin(), ring_.end(), random_);
      turn_ = 0;
    }
    const SwimMember& target = *ring_[turn_++];
    const bool living = target.state == NodeState::alive || target.state == NodeState::suspect;
    if (living && target.name != options_.name) return startProbe(target);
  }
}

void Membership::startProbe(const SwimMember& target) {
  probe_ =
      Probe{.sequence = nextSequence(), .node = target.name, .timeout = now_ + options_.timers.probeTimeout};
  auto ping = encode(Message(Ping{probe_->sequence, target.name, options_.endpoint, options_.name}));
  if (target.state == NodeState::alive) return send(target.endpoint, std::move(ping), false);
  // A suspect hears what it is accused of, so that it can object.
  auto accusation = encode(Message(Suspect{target.incarnation, target.name, options_.name}));
  carrier_.send(target.endpoint, {std::move(ping), std::move(accusation)},
                target.versions[1] >= kUnderstandsChecksum);
}

/// No answer yet: asks by way of other nodes, and by TCP in case that UDP alone is blocked.
void Membership::probeOthersWay() {
  probe_->indirect = true;
  const SwimMember* target = find(probe_->node);
  if (target == nullptr) return;
  for (const SwimMember* other : some(static_cast<std::size_t>(options_.timers.indirectProbes) + 1)) {
    if (other == target || other->state != NodeState::alive) continue;
    if (probe_->expectedNacks >= options_.timers.indirectProbes) break;
    const bool nacks = other->versions[1] >= kUnderstandsNack;
    if (nacks) probe_->expectedNacks++;
    send(other->endpoint,
         encode(Message(IndirectPing{probe_->sequence, target->name, target->endpoint, nacks,
                                     options_.endpoint, options_.name})),
         false);
  }
  if (target->versions[1] >= kUnderstandsStreamPing)
    carrier_.pingByStream(target->endpoint,
                          {probe_->sequence, target->name, options_.endpoint, options_.name});
}

void Membership::endProbe(bool answered) {
  const Probe probe = *probe_;
  probe_.reset();
  if (answered) return adjustAwareness(-1);
  // Nobody answers this node, not even those that say no: it is likely the one that is ill.
  adjustAwareness(probe.expectedNacks > 0 ? probe.expectedNacks - probe.nacks : 1);
  if (const SwimMember* target = find(probe.node))
    on(Suspect{target->incarnation, target->name, options_.name});
}

void Membership::adjustAwareness(int by) {
  awareness_ = std::clamp(awareness_ + by, 0, options_.timers.awarenessMax - 1);
}

/// Forgets those that are gone for long.
void Membership::reap() {
  const auto over = [this](const SwimMember* member) {
    const bool gone = member->state == NodeState::dead || member->state == NodeState::left;
    return gone && member->name != options_.name && now_ - member->since > options_.timers.gossipToDead;
  };
  const auto kept = std::partition(ring_.begin(), ring_.end(), [&](const SwimMember* m) { return !over(m); });
  for (auto member = kept; member != ring_.end(); ++member) {
    const std::string name = (*member)->name;
    members_.erase(name);
  }
  ring_.erase(kept, ring_.end());
}

void Membership::advance(Time now) {
  now_ = now;
  if (probe_ && !probe_->indirect && probe_->timeout <= now) probeOthersWay();
  for (auto favour = favours_.begin(); favour != favours_.end();) {
    const auto here = favour++;
    if (here->second.timeout > now) continue;
    if (here->second.nack) send(here->second.asker, encode(Message(Nack{here->second.theirSequence})), false);
    favours_.erase(here);
  }
  std::vector<Dead> verdicts;
  for (const auto& [name, suspicion] : suspicions_) {
    if (suspicion.deadline() <= now) verdicts.push_back({find(name)->incarnation, name, options_.name});
  }
  for (const auto& verdict : verdicts) on(verdict);
  if (probeAt_ <= now) {
    probeNext();
    probeAt_ = now + options_.timers.probeInterval * (awareness_ + 1);
  }
  if (gossipAt_ <= now) {
    gossip();
    gossipAt_ = now + options_.timers.gossipInterval;
  }
  if (pushPullAt_ <= now) {
    exchangeInTurn();
    pushPullAt_ = now + pushPullPause();
  }
}

Time Membership::next() const {
  Time due = std::min({probeAt_, gossipAt_, pushPullAt_});
  if (probe_ && !probe_->indirect) due = std::min(due, probe_->timeout);
  for (const auto& [sequence, favour] : favours_) due = std::min(due, favour.timeout);
  for (const auto& [name, suspicion] : suspicions_) due = std::min(due, suspicion.deadline());
  return due;
}

}  // namespace twill::gossip
