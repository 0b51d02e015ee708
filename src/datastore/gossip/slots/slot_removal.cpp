// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <fmt/format.h>

#include "datastore/gossip/slots/slot_keeper.hpp"

namespace twill::gossip {
namespace {

using std::chrono::seconds;

/// How long a node must be out of reach before it can be removed, and in reach before all that it holds is
/// taken as heard: some hundred probes, each of which finds whether states differ.
constexpr std::chrono::minutes kLongEnough{10};
/// How long a removed node's slots rest. It may have given some away before it died.
constexpr seconds kRevokedFor{3600};
constexpr seconds kLookAgain{60};

std::string periodText(TimePoint::duration time) {
  const auto whole = std::chrono::duration_cast<seconds>(time).count();
  return whole < 60 ? fmt::format("{} s", whole) : fmt::format("{} min {} s", whole / 60, whole % 60);
}

}  // namespace

Result<void> SlotKeeper::remove(TimePoint now, const NodeId& node, bool force) {
  TWILL_CHECK(mayRemove(now, node));
  if (!force) TWILL_CHECK(reachesMost());
  const std::uint32_t generation = std::min(*generationOf(node), kLastRemoved);
  if (state_.table.merge(Tombstone{.node = node, .generation = generation, .remover = state_.id}))
    newTombstones_.insert(node);
  takeFrom(now, node, generation);
  unsaved_ = actions_.changed = true;
  settle(now);
  return {};
}

Result<void> SlotKeeper::mayRemove(TimePoint now, const NodeId& node) const {
  if (!state_.cluster) return fail("this node is in no cluster yet", Error::Kind::busy);
  if (isCopied(state_.id)) return fail("two nodes run with this node's state", Error::Kind::conflict);
  if (node == state_.id)
    return fail("a node cannot remove itself; name it on another node", Error::Kind::invalid);
  if (!generationOf(node)) {
    return fail(fmt::format("no node of id {} is known; \"twill subnets\" shows who holds any", node.text()),
                Error::Kind::missing);
  }
  if (isAlive(node)) {
    return fail(fmt::format("{} is alive; stop it there first. Nothing was changed", textOf(node)),
                Error::Kind::conflict);
  }
  const SlotPeer* member = memberOf(node);
  const auto vanished = vanished_.find(node);
  const TimePoint since =
      member != nullptr ? member->since : (vanished != vanished_.end() ? vanished->second : started_);
  if (now - since >= kLongEnough) return {};
  return fail(
      fmt::format("{} has been out of reach for {} only, and can be removed after {} min. If it still "
                  "runs and only the way to it is cut, it goes on using its subnet while another node "
                  "gets it: make sure that it is off. Nothing was changed",
                  textOf(node), periodText(now - since), kLongEnough.count()),
      Error::Kind::busy);
}

Result<void> SlotKeeper::reachesMost() const {
  std::size_t known = 1;
  std::size_t reached = 1;
  for (const auto& [node, generation] : state_.nodes) {
    if (node == state_.id || state_.table.isRemoved(node, generation)) continue;
    const SlotPeer* member = memberOf(node);
    if (member != nullptr && member->sign == SlotPeer::Sign::left) continue;
    known++;
    reached += isAlive(node) ? 1 : 0;
  }
  if (2 * reached > known) return {};
  return fail(
      fmt::format(
          "this node reaches {} of {} nodes, itself included. If the others only are cut off from "
          "here, remove the node where most are in reach. If they are off, `twill peer rm --force` does it "
          "here. Nothing was changed",
          reached, known),
      Error::Kind::busy);
}

/// The highest that is known of a node; none: the node is not known.
std::optional<std::uint32_t> SlotKeeper::generationOf(const NodeId& node) const {
  const auto known = state_.nodes.find(node);
  const auto removed = state_.table.tombstones().find(node);
  const bool isKnown = known != state_.nodes.end();
  if (removed != state_.table.tombstones().end())
    return std::max(removed->second.generation, isKnown ? known->second : 0);
  return isKnown ? std::optional(known->second) : std::nullopt;
}

/// This node was removed: what it owned is another's now.
void SlotKeeper::fence() {
  const auto found = state_.table.tombstones().find(state_.id);
  if (found == state_.table.tombstones().end() || found->second.generation < state_.generation) return;
  for (const SlotRecord& record : state_.table.records()) {
    if (!isOwn(record) || record.use != SlotUse::active || record.data.empty()) continue;
    clashes_[record.slot] = {.winner = found->second.remover, .loser = state_.id, .seen = now_};
    conflicts_++;
  }
  state_.generation = found->second.generation + 1;
  fencedBy_ = found->second;
  resting_.clear();
  asked_.reset();
  granted_.clear();
  unsaved_ = actions_.changed = true;
}

/// Takes what comes to light of nodes that this node removed.
void SlotKeeper::sweep(TimePoint now) {
  for (const auto& [node, tombstone] : state_.table.tombstones()) {
    if (tombstone.remover == state_.id) takeFrom(now, node, tombstone.generation);
  }
}

void SlotKeeper::takeFrom(TimePoint now, const NodeId& node, std::uint32_t generation) {
  for (std::uint32_t slot = 0; slot < state_.table.slots(); ++slot) {
    const SlotRecord& record = state_.table.at(slot);
    if (record.version == 0 || record.owner != node || record.generation > generation) continue;
    write({.slot = slot,
           .owner = state_.id,
           .version = raisedVersion(record.version),
           .use = SlotUse::revoked,
           .generation = state_.generation,
           .revokedUntil = wallAt(now) + kRevokedFor.count()});
  }
}

void SlotKeeper::release(TimePoint now) {
  std::vector<std::uint32_t> due;
  for (const SlotRecord& record : state_.table.records()) {
    if (!isOwn(record) || record.use != SlotUse::revoked) continue;
    const seconds left(record.revokedUntil - wallAt(now));
    if (left.count() <= 0) {
      due.push_back(record.slot);
    } else {
      wakeAt(now + std::min(left, kRevokedFor));
    }
  }
  if (due.empty()) return;
  if (!unheard(now).empty()) return wakeAt(now + kLookAgain);
  for (const std::uint32_t slot : due) {
    SlotRecord record = state_.table.at(slot);
    record.version = nextVersion(record.version);
    record.use = SlotUse::free;
    record.revokedUntil = 0;
    write(record);
  }
}

/// Nodes that may hold a slot which a removed node gave them, or have removed it as well, without a word of
/// it having come here: as long as there are any, a time alone does not make its slots safe to use.
std::vector<NodeId> SlotKeeper::unheard(TimePoint now) const {
  std::vector<NodeId> nodes;
  for (const auto& [node, generation] : state_.nodes) {
    if (state_.table.isRemoved(node, generation)) continue;
    const SlotPeer* member = memberOf(node);
    const bool heard =
        member != nullptr && member->sign != SlotPeer::Sign::failed && now - member->since >= kLongEnough;
    if (!heard) nodes.push_back(node);
  }
  return nodes;
}

}  // namespace twill::gossip
