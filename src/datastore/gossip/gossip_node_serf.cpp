// SPDX-License-Identifier: Apache-2.0
// GossipNode's part as Serf's user: what other nodes say.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "datastore/gossip/gossip_node.hpp"
#include "datastore/while_alive.hpp"

namespace twill::gossip {
namespace {

/// Longer than nodes take to exchange their states again, in clusters of hundreds.
constexpr std::chrono::minutes kNameStrangers{3};

/// How often this node says anew whom it reaches by others only.
constexpr std::chrono::seconds kLook{10};
/// One such probe may be a lost packet.
constexpr unsigned kDetours = 2;

}  // namespace

void GossipNode::lookLater() {
  lookTimer_.expires_after(kLook);
  lookTimer_.async_wait(whileAlive(weak_from_this(), &GossipNode::look));
}

void GossipNode::look() {
  if (!peer_) return;
  follow();
  if (auto now = noDirectWay(); now != noDirectWay_) {
    noDirectWay_ = std::move(now);
    pictureChanged_ = true;
    driveSoon();
  }
  lookLater();
}

std::set<std::string> GossipNode::noDirectWay() const {
  std::set<std::string> briefs;
  for (const auto& [name, member] : peer_->serf().members()) {
    const SwimMember* swim = peer_->serf().membership().find(name);
    const auto tags = nodeTagsOf(parseTags(member.meta));
    if (tags && swim != nullptr && swim->detours >= kDetours && member.status == MemberStatus::alive)
      briefs.insert(tags->id.brief());
  }
  return briefs;
}

/// The agent follows the underlay, and publishes what it finds; this node is to be found there, too.
void GossipNode::follow() {
  if (!mayHaveMoved_ || !peer_) return;
  const auto endpoint = options_.endpoint();
  if (!endpoint) return;  // the underlay is between two addresses
  const Endpoint before = peer_->serf().membership().endpoint();
  if (*endpoint != before) {
    const auto moved = peer_->move(*endpoint);
    if (!moved) return spdlog::warn("gossip: {}; trying again", moved.error().text);
    spdlog::info("gossip: this node is at {} now, and was at {}", endpoint->text(), before.text());
  }
  mayHaveMoved_ = false;
}

void GossipNode::memberChanged(const SerfMember& member) {
  if (member.status != MemberStatus::alive) refused_.erase(member.name);
  membersChanged_ = true;
  driveSoon();
}

/// They are named for as long as they go on, and a little longer.
void GossipNode::forgetStrangersLater() {
  pictureChanged_ = true;
  driveSoon();
  strangersTimer_.expires_after(kNameStrangers);
  strangersTimer_.async_wait(whileAlive(weak_from_this(), &GossipNode::forgetStrangers));
}

void GossipNode::forgetStrangers() {
  unfit_.clear();
  refused_.clear();
  conflicts_.clear();
  membersChanged_ |= !copies_.empty();
  copies_.clear();
  pictureChanged_ = true;
  driveSoon();
}

/// One id at two addresses is a node that was started at another one, or a copy, which the two find out.
void GossipNode::nameConflict(const SwimMember& member, const Alive& other) {
  const auto known = nodeTagsOf(parseTags(member.meta));
  const auto tags = nodeTagsOf(parseTags(other.meta));
  if (!known || !tags || known->id != tags->id) {
    conflicts_[member.name] =
        fmt::format("two nodes go by the name {}, one at {} and one at {}; give each its own by --node-name",
                    member.name, member.endpoint.text(), other.endpoint.text());
  } else if (member.name == options_.node) {
    suspectCopy(other, *tags);
  }
  forgetStrangersLater();
}

/// Somebody has this node's name and its id: a copy of its disk, or what others still know of this node from
/// before it was started at another address. The first one answers.
void GossipNode::suspectCopy(const Alive& other, const NodeTags& tags) {
  if (tags.boot == boot_) return;
  const SlotPeer copy{.id = tags.id,
                      .name = other.node,
                      .generation = tags.generation,
                      .boot = tags.boot,
                      .sign = SlotPeer::Sign::alive,
                      .since = Clock::now()};
  if (!copies_.emplace(tags.boot, Copy{copy, other.endpoint.address}).second) return;
  membersChanged_ = true;
  peer_->ping(other.endpoint, other.node,
              [weak = weak_from_this(), boot = tags.boot, at = other.endpoint](bool answered) {
                const auto self = weak.lock();
                if (!self || !self->peer_) return;
                if (answered) return self->peer_->join(at, [](const auto&) {});  // so that it knows, too
                self->copies_.erase(boot);
                self->membersChanged_ = self->pictureChanged_ = true;
                self->driveSoon();
              });
}

/// The whole table comes with each push/pull, so no delta has to.
bool GossipNode::event(const UserEvent& event) {
  if (event.name != kSlotEvent) return true;
  if (const auto heard = keeper_->heardDelta(Clock::now(), event.payload); !heard)
    spdlog::debug("gossip: {}", heard.error().text);
  driveSoon();
  return false;
}

/// A cluster never merges with another; a stock Serf agent, which holds no subnets, may look on.
Result<void> GossipNode::admit(const std::string& name, const std::string& meta) {
  const auto tags = nodeTagsOf(parseTags(meta));
  const auto& cluster = keeper_->state().cluster;
  if (!tags || !tags->cluster || !cluster || *tags->cluster == cluster->id) {
    if (refused_.erase(name) > 0) pictureChanged_ = true;
    return {};
  }
  const std::string why = fmt::format(
      "node {} is of cluster {}, and node {} is of cluster {}: clusters do not merge. To let a node "
      "change over, stop it and remove its {}/gossip.json",
      name, tags->cluster->text(), options_.node, cluster->id.text(), options_.stateDir);
  if (refused_.emplace(name, why).second) spdlog::warn("gossip: {}", why);
  forgetStrangersLater();
  return fail(why, Error::Kind::conflict);
}

std::string GossipNode::extraState() {
  collect();
  driveSoon();
  return keeper_->tableMessage().value_or(std::string());
}

/// A stock Serf agent would complain of each ack that brings anything else than coordinates.
std::optional<std::uint64_t> GossipNode::digestFor(const std::string& meta) {
  if (!nodeTagsOf(parseTags(meta))) return std::nullopt;
  return keeper_->digest();
}

void GossipNode::mergeExtraState(const std::string& state) {
  if (const auto exchanged = keeper_->exchanged(Clock::now(), state); !exchanged) {
    if (unfit_ != exchanged.error().text) spdlog::warn("gossip: {}", exchanged.error().text);
    unfit_ = exchanged.error().text;
    forgetStrangersLater();
  } else {
    pictureChanged_ |= !std::exchange(unfit_, {}).empty();
    settle();
  }
  driveSoon();
}

}  // namespace twill::gossip
