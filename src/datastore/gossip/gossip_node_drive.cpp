// SPDX-License-Identifier: Apache-2.0
// GossipNode's part about the slot keeper: what goes into it, and what it wants done.
#include <algorithm>

#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/file.hpp"
#include "datastore/gossip/gossip_node.hpp"
#include "datastore/while_alive.hpp"

namespace twill::gossip {
/// Inputs come from inside of Serf, which must not be called from there; and many come at once.
void GossipNode::driveSoon() {
  if (std::exchange(drivePending_, true)) return;
  boost::asio::post(loop_, whileAlive(weak_from_this(), &GossipNode::drive));
}

void GossipNode::drive() {
  drivePending_ = false;
  if (!onCluster_) return;
  if (keeper_) {
    if (std::exchange(membersChanged_, false)) tellMembers();
    collect();
    perform();
    armKeeper();
  }
  if (std::exchange(pictureChanged_, false)) tell();
}

/// Brings what the keeper decided onto the disk; what follows from it is done by perform().
void GossipNode::collect() {
  auto more = keeper_->take(
      [this](const std::string& text) { return writeFile(stateFile(), text, Durability::power, 0600); });
  if (!more) {
    pictureChanged_ = true;  // its warnings say so
    return;
  }
  std::move(more->deltas.begin(), more->deltas.end(), std::back_inserter(actions_.deltas));
  std::move(more->letters.begin(), more->letters.end(), std::back_inserter(actions_.letters));
  actions_.exchange |= more->exchange;
  actions_.mayLeave |= more->mayLeave;
  pictureChanged_ |= more->changed;
}

void GossipNode::perform() {
  if (!peer_) return;
  const SlotActions actions = std::exchange(actions_, {});
  peer_->with([&](Serf& serf, Time now) {
    for (const auto& delta : actions.deltas) {
      if (const auto sent = serf.sendEvent(now, kSlotEvent, delta); !sent)
        spdlog::warn("gossip: {}", sent.error().text);
    }
    if (!actions.exchange) return;
    for (const SwimMember* other : serf.membership().some(1))
      peer_->join(other->endpoint, [](const auto&) {});
  });
  for (const auto& letter : actions.letters) deliver(letter);
  if (!actions.mayLeave || onLeft_.empty()) return;
  peer_->with([](Serf& serf, Time now) { serf.leave(now); });
  for (const auto& onLeft : std::exchange(onLeft_, {})) onLeft({});
}

void GossipNode::deliver(const SlotActions::Letter& letter) {
  const auto to = endpointOf(letter.to);
  if (!to) return;  // the keeper asks somebody else, later
  peer_->request(*to, letter.bytes, [weak = weak_from_this()](const Result<std::string>& reply) {
    const auto self = weak.lock();
    if (!self || !self->onCluster_) return;
    if (!reply) return spdlog::debug("gossip: {}", reply.error().text);
    if (reply->empty()) return;
    if (const auto heard = self->keeper_->heardLetter(Clock::now(), *reply); !heard)
      spdlog::warn("gossip: {}", heard.error().text);
    self->driveSoon();
  });
}

/// A letter of another node. What is to go back to it goes over the same connection.
Result<std::string> GossipNode::answerRequest(const std::string& request) {
  if (membersChanged_) tellMembers();
  membersChanged_ = false;
  TWILL_TRY(const GrantMessage message, parseGrantMessage(request));
  TWILL_CHECK(keeper_->heardLetter(Clock::now(), request));
  collect();
  driveSoon();
  for (auto letter = actions_.letters.begin(); letter != actions_.letters.end(); ++letter) {
    if (!letter->answer || letter->to != message.from) continue;
    std::string reply = std::move(letter->bytes);
    actions_.letters.erase(letter);
    return reply;
  }
  return std::string();
}

void GossipNode::tellMembers() {
  if (!peer_) return;
  std::vector<SlotPeer> peers;
  std::vector<Endpoint> living;
  living_ = {{options_.node, keeper_->state().id}};
  unfitOthers_.clear();
  const Endpoint own = peer_->serf().membership().endpoint();
  for (const auto& [name, member] : peer_->serf().members()) {
    if (name == options_.node) continue;
    const bool alive = member.status == MemberStatus::alive || member.status == MemberStatus::leaving;
    if (alive) living.push_back(member.endpoint);
    const auto tags = nodeTagsOf(parseTags(member.meta));
    // This node by the name that it had before: no copy of its disk can be at its own address.
    if (!tags || (tags->id == keeper_->state().id && member.endpoint == own)) continue;
    if (alive) living_[name] = tags->id;
    if (alive && !tags->unfit.empty())
      unfitOthers_.push_back(fmt::format("node {} takes no part, it says: {}", name, tags->unfit));
    peers.push_back({.id = tags->id,
                     .name = name,
                     .generation = tags->generation,
                     .boot = tags->boot,
                     .sign = alive                                 ? SlotPeer::Sign::alive
                             : member.status == MemberStatus::left ? SlotPeer::Sign::left
                                                                   : SlotPeer::Sign::failed,
                     .since = member.since});
  }
  for (const auto& [boot, copy] : copies_) peers.push_back(copy.peer);
  keeper_->members(Clock::now(), std::move(peers));
  if (seeds_ && !living.empty()) seeds_->remember(std::move(living));
}

void GossipNode::armKeeper() {
  const auto due = keeper_->nextDeadline();
  if (!due) {
    keeperTimer_.cancel();
    return;
  }
  keeperTimer_.expires_at(*due);
  keeperTimer_.async_wait([weak = weak_from_this()](boost::system::error_code cancelled) {
    const auto self = weak.lock();
    if (!self || cancelled) return;
    self->keeper_->advance(Clock::now());
    self->driveSoon();
  });
}

std::optional<Endpoint> GossipNode::endpointOf(const NodeId& id) const {
  for (const auto& [name, member] : peer_->serf().members()) {
    const auto tags = nodeTagsOf(parseTags(member.meta));
    if (tags && tags->id == id && member.status == MemberStatus::alive && name != options_.node)
      return member.endpoint;
  }
  return std::nullopt;
}

}  // namespace twill::gossip
