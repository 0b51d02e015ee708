// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/membership.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/fnv.hpp"

namespace twill::gossip {
namespace {

bool isLiving(NodeState state) {
  return state == NodeState::alive || state == NodeState::suspect;
}

/// Of who lives, and with which tags: each change of those has another incarnation.
std::uint64_t digestOf(const SwimMember& member) {
  if (!isLiving(member.state)) return 0;
  return fnv1a(fmt::format("{} {} {}", member.name, member.endpoint.text(), member.incarnation));
}

}  // namespace

Membership::Membership(Options options, Carrier& carrier, UpperLayer& upper)
    : options_(std::move(options)), carrier_(carrier), upper_(upper), random_(options_.seed) {}

std::size_t Membership::below(std::size_t count) {
  return std::uniform_int_distribution<std::size_t>(0, count - 1)(random_);
}

/// Others that fit, at random. As memberlist does it: so many attempts, not a walk over all members.
template <class Fits>
std::vector<const SwimMember*> Membership::choose(std::size_t count, Fits fits) {
  std::vector<const SwimMember*> chosen;
  for (std::size_t attempt = 0; attempt < 3 * ring_.size() && chosen.size() < count; ++attempt) {
    const SwimMember* member = ring_[below(ring_.size())];
    if (member->name == options_.name || !fits(*member)) continue;
    if (std::find(chosen.begin(), chosen.end(), member) == chosen.end()) chosen.push_back(member);
  }
  return chosen;
}

void Membership::start(Time now) {
  now_ = now;
  // Not all nodes that are started together must do the same at the same time.
  const auto within = [this](Duration interval) {
    return now_ + Duration(std::uniform_int_distribution<Duration::rep>(0, interval.count())(random_));
  };
  probeAt_ = within(options_.timers.probeInterval);
  gossipAt_ = within(options_.timers.gossipInterval);
  pushPullAt_ = within(options_.timers.pushPullInterval);
  exchangedAt_ = now_;
  incarnation_ = 1;
  SwimMember& self = add(options_.name, options_.endpoint);
  self.meta = options_.meta;
  self.versions = kOurVersions;
  self.incarnation = incarnation_;
  setState(self, NodeState::alive, {});
  announceMyself();
  upper_.memberJoined(self);
}

void Membership::announceMyself() {
  const SwimMember& self = me();
  broadcast(self.name, Alive{incarnation_, self.name, self.endpoint, self.meta, self.versions});
}

SwimMember& Membership::add(const std::string& name, const Endpoint& endpoint) {
  auto added = std::make_unique<SwimMember>();
  added->name = name;
  added->endpoint = endpoint;
  ring_.push_back(added.get());
  std::swap(ring_.back(), ring_[below(ring_.size())]);
  return *members_.emplace(name, std::move(added)).first->second;
}

void Membership::receive(Time now, const Message& message, const Endpoint& from) {
  now_ = now;
  if (const auto* ping = std::get_if<Ping>(&message)) return on(*ping, from);
  if (const auto* ping = std::get_if<IndirectPing>(&message)) return on(*ping, from);
  if (const auto* ack = std::get_if<Ack>(&message)) return on(*ack);
  if (const auto* nack = std::get_if<Nack>(&message)) return on(*nack);
  if (const auto* suspect = std::get_if<Suspect>(&message)) return on(*suspect);
  if (const auto* alive = std::get_if<Alive>(&message)) return on(*alive);
  if (const auto* dead = std::get_if<Dead>(&message)) return on(*dead);
  upper_.user(std::get<User>(message).bytes);
}

PushPull Membership::state(bool join) {
  PushPull ours{.join = join, .nodes = {}, .userState = upper_.state()};
  ours.nodes.reserve(members_.size());
  for (const auto& [name, member] : members_) {
    ours.nodes.push_back(
        {name, member->endpoint, member->meta, member->incarnation, member->state, member->versions});
  }
  return ours;
}

/// memberlist's verifyProtocol(): what each living node speaks, all others must understand.
Result<void> Membership::agreeable(const PushPull& theirs) const {
  struct Range {
    int lowest = 0, highest = 255;
  } protocols, serfs;
  const auto look = [&](const Versions& versions, NodeState state) {
    if (state != NodeState::alive) return;
    protocols = {std::max<int>(protocols.lowest, versions[0]), std::min<int>(protocols.highest, versions[1])};
    serfs = {std::max<int>(serfs.lowest, versions[3]), std::min<int>(serfs.highest, versions[4])};
  };
  for (const auto& node : theirs.nodes) look(node.versions, node.state);
  for (const auto& [name, member] : members_) look(member->versions, member->state);
  const auto check = [&](const std::string& name, const Versions& versions) -> Result<void> {
    const bool fits = versions[2] >= protocols.lowest && versions[2] <= protocols.highest &&
                      versions[5] >= serfs.lowest && versions[5] <= serfs.highest;
    if (fits) return {};
    return fail(
        fmt::format("node {} speaks version {} of memberlist and {} of Serf, which others here do not", name,
                    versions[2], versions[5]),
        Error::Kind::conflict);
  };
  for (const auto& node : theirs.nodes) TWILL_CHECK(check(node.name, node.versions));
  for (const auto& [name, member] : members_) TWILL_CHECK(check(name, member->versions));
  return {};
}

Result<void> Membership::merge(Time now, const PushPull& theirs) {
  now_ = now;
  TWILL_CHECK(agreeable(theirs));
  for (const auto& node : theirs.nodes) {
    if (node.name != options_.name && isLiving(node.state)) TWILL_CHECK(upper_.admit(node.name, node.meta));
  }
  for (const auto& node : theirs.nodes) {
    switch (node.state) {
      case NodeState::alive:
        on(Alive{node.incarnation, node.name, node.endpoint, node.meta, node.versions});
        break;
      case NodeState::left:
        on(Dead{node.incarnation, node.name, node.name});
        break;
      case NodeState::suspect:
      case NodeState::dead:
        // Who counts as dead over there may be alive: it gets the time to say so.
        on(Suspect{node.incarnation, node.name, options_.name});
        break;
    }
  }
  upper_.mergeState(theirs.userState);
  return {};
}

void Membership::setState(SwimMember& member, NodeState state, const std::string& accuser) {
  digest_ ^= digestOf(member);
  if (isLiving(state) != isLiving(member.state)) {
    if (isLiving(state))
      ++living_;
    else
      --living_;
  }
  if (state != member.state) member.since = now_;
  member.state = state;
  member.accuser = accuser;
  digest_ ^= digestOf(member);
}

void Membership::setIncarnation(SwimMember& member, std::uint32_t incarnation) {
  digest_ ^= digestOf(member);
  member.incarnation = incarnation;
  digest_ ^= digestOf(member);
}

/// Whether the new address of a known name is one to believe. A name is free again once its node has left or
/// is dead.
bool Membership::mayTakeOver(SwimMember& member, const Alive& alive) {
  if (member.endpoint == alive.endpoint) return true;
  if (isLiving(member.state)) {
    upper_.nameConflict(member, alive);
    return false;
  }
  member.endpoint = alive.endpoint;
  return true;
}

void Membership::on(const Alive& alive) {
  if (alive.node == options_.name) return aliveAboutMe(alive);
  if (alive.versions[0] == 0 || alive.versions[1] == 0 || alive.versions[0] > alive.versions[1]) return;
  const auto known = members_.find(alive.node);
  if (known == members_.end()) {
    if (!upper_.admit(alive.node, alive.meta)) return;
  } else if (alive.incarnation <= known->second->incarnation || !mayTakeOver(*known->second, alive)) {
    return;
  }
  SwimMember& member = known == members_.end() ? add(alive.node, alive.endpoint) : *known->second;
  const bool returned = !isLiving(member.state);
  const bool changed = member.meta != alive.meta;
  suspicions_.erase(alive.node);
  setIncarnation(member, alive.incarnation);
  member.meta = alive.meta;
  member.versions = alive.versions;
  setState(member, NodeState::alive, {});
  broadcast(alive.node, alive);
  if (returned)
    upper_.memberJoined(member);
  else if (changed)
    upper_.memberUpdated(member);
}

/// Something that this node said before a restart comes back, or somebody speaks in its name.
void Membership::aliveAboutMe(const Alive& alive) {
  const SwimMember& self = me();
  if (leaving_) return;
  if (alive.endpoint != self.endpoint) return upper_.nameConflict(self, alive);
  if (alive.incarnation < self.incarnation) return;
  if (alive.incarnation == self.incarnation && alive.meta == self.meta && alive.versions == self.versions)
    return;
  refute(alive.incarnation);
}

void Membership::refute(std::uint32_t accused) {
  incarnation_ = std::max(incarnation_, accused) + 1;
  setIncarnation(me(), incarnation_);
  adjustAwareness(1);
  announceMyself();
}

void Membership::on(const Suspect& suspect) {
  const auto known = members_.find(suspect.node);
  if (known == members_.end() || suspect.incarnation < known->second->incarnation) return;
  SwimMember& member = *known->second;
  if (const auto running = suspicions_.find(suspect.node); running != suspicions_.end()) {
    if (running->second.confirm(suspect.from)) broadcast(suspect.node, suspect);
    return;
  }
  if (member.state != NodeState::alive) return;
  if (suspect.node == options_.name) return refute(suspect.incarnation);
  setIncarnation(member, suspect.incarnation);
  setState(member, NodeState::suspect, suspect.from);
  broadcast(suspect.node, suspect);
  suspicions_.emplace(suspect.node, Suspicion(options_.timers, members_.size(), suspect.from, now_));
}

void Membership::on(const Dead& dead) {
  const auto known = members_.find(dead.node);
  if (known == members_.end() || dead.incarnation < known->second->incarnation) return;
  SwimMember& member = *known->second;
  suspicions_.erase(dead.node);
  if (!isLiving(member.state)) return;
  if (dead.node == options_.name && !leaving_) return refute(dead.incarnation);
  setIncarnation(member, dead.incarnation);
  setState(member, dead.node == dead.from ? NodeState::left : NodeState::dead, dead.from);
  broadcast(dead.node, dead);
  upper_.memberGone(member);
}

void Membership::setMeta(Time now, std::string meta) {
  now_ = now;
  SwimMember& self = me();
  if (leaving_ || self.meta == meta) return;
  options_.meta = meta;
  self.meta = std::move(meta);
  setIncarnation(self, ++incarnation_);
  announceMyself();
}

void Membership::move(Time now, const Endpoint& endpoint) {
  now_ = now;
  SwimMember& self = me();
  const std::string gone = encode(Message(Dead{incarnation_, self.name, self.name}));
  digest_ ^= digestOf(self);
  options_.endpoint = self.endpoint = endpoint;
  self.incarnation = ++incarnation_;
  digest_ ^= digestOf(self);
  const std::string back =
      encode(Message(Alive{incarnation_, self.name, endpoint, self.meta, self.versions}));
  for (const auto& [name, member] : members_) {
    if (member.get() != &self && isLiving(member->state))
      carrier_.send(member->endpoint, {gone, back}, false);
  }
  announceMyself();
}

void Membership::leave(Time now) {
  now_ = now;
  leaving_ = true;
  on(Dead{incarnation_, options_.name, options_.name});
}

void Membership::forget(Time now, const std::string& name) {
  now_ = now;
  const auto known = members_.find(name);
  if (known == members_.end() || known->second->state != NodeState::dead) return;
  setState(*known->second, NodeState::left, name);
}

const SwimMember* Membership::find(const std::string& name) const {
  const auto known = members_.find(name);
  return known == members_.end() ? nullptr : known->second.get();
}

std::vector<const SwimMember*> Membership::some(std::size_t count) {
  return choose(count, [](const SwimMember& member) { return isLiving(member.state); });
}

void Membership::broadcast(const std::string& about, const Message& message) {
  broadcasts_.add(about, encode(message), about == options_.name);
  hasten(now_);
}

void Membership::hasten(Time now) {
  gossipAt_ = std::min(gossipAt_, std::max(now, gossiped_ + options_.timers.newsInterval));
}

/// What there is to tell, as much as fits. Up to half of it is the upper layer's, so that neither waits until
/// a flood of the other's is over: a node that joins a thousand others has a thousand of its own to tell.
std::vector<std::string> Membership::news(std::size_t room) {
  const int limit = Broadcasts::transmits(options_.timers.retransmitMultiplier, members_.size());
  auto messages = upper_.broadcasts(room / 2, kCompoundPart);
  for (const auto& message : messages) room -= message.size() + kCompoundPart;
  auto more = broadcasts_.take(room, kCompoundPart, limit);
  std::move(more.begin(), more.end(), std::back_inserter(messages));
  return messages;
}

void Membership::send(const Endpoint& to, std::string message, bool checksum) {
  std::vector<std::string> messages;
  const std::size_t used = message.size() + kCompoundPart;
  messages.push_back(std::move(message));
  if (used < options_.room) {
    auto more = news(options_.room - used);
    std::move(more.begin(), more.end(), std::back_inserter(messages));
  }
  carrier_.send(to, std::move(messages), checksum);
}

void Membership::gossip() {
  gossiped_ = now_;
  const auto hears = [this](const SwimMember& member) {
    return isLiving(member.state) ||
           (member.state == NodeState::dead && now_ - member.since < options_.timers.gossipToDead);
  };
  for (const SwimMember* member : choose(static_cast<std::size_t>(options_.timers.gossipNodes), hears)) {
    auto messages = news(options_.room);
    if (messages.empty()) return;
    carrier_.send(member->endpoint, std::move(messages), member->versions[1] >= kUnderstandsChecksum);
  }
}

}  // namespace twill::gossip
