// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "datastore/gossip/slots/slot_keeper.hpp"
#include "datastore/gossip/slots/slots.hpp"

namespace twill::gossip {
namespace {

using Kind = SlotWarning::Kind;

/// More names than these make a line that nobody reads.
constexpr std::size_t kNamed = 8;

/// "a, b and 3 more"
std::string listOf(std::vector<std::string> texts) {
  const std::size_t more = texts.size() > kNamed ? texts.size() - kNamed : 0;
  texts.resize(texts.size() - more);
  const std::string list = fmt::format("{}", fmt::join(texts, ", "));
  return more == 0 ? list : fmt::format("{} and {} more", list, more);
}

}  // namespace

/// The one that is alive, if several have the id.
const SlotPeer* SlotKeeper::memberOf(const NodeId& node) const {
  const SlotPeer* found = nullptr;
  auto at = std::lower_bound(members_.begin(), members_.end(), node,
                             [](const SlotPeer& member, const NodeId& id) { return member.id < id; });
  for (; at != members_.end() && at->id == node; ++at) {
    if (found == nullptr || at->sign == SlotPeer::Sign::alive) found = &*at;
  }
  return found;
}

bool SlotKeeper::isAlive(const NodeId& node) const {
  const SlotPeer* member = memberOf(node);
  return member != nullptr && member->sign == SlotPeer::Sign::alive;
}

/// Whether two live nodes go by that id: one of them runs on a copy of the other's disk.
bool SlotKeeper::isCopied(const NodeId& node) const {
  std::set<std::uint64_t> boots;
  if (node == state_.id) boots.insert(options_.boot);
  for (const SlotPeer& member : members_) {
    if (member.id == node && member.sign == SlotPeer::Sign::alive) boots.insert(member.boot);
  }
  return boots.size() > 1;
}

std::string SlotKeeper::textOf(const NodeId& node) const {
  const SlotPeer* member = memberOf(node);
  const std::string name = node == state_.id ? options_.name : (member != nullptr ? member->name : "a node");
  return fmt::format("{} ({})", name, node.text());
}

std::string SlotKeeper::slotText(std::uint32_t slot) const {
  const SlotSubnets subnets = subnetsOf(*network_, slot);
  if (!subnets.v6) return subnets.v4->text();
  return subnets.v4 ? fmt::format("{} and {}", subnets.v4->text(), subnets.v6->text()) : subnets.v6->text();
}

std::vector<const SlotRecord*> SlotKeeper::leases() const {
  std::vector<const SlotRecord*> leases;
  for (const SlotRecord& record : state_.table.records()) {
    if (record.version == 0 || record.use != SlotUse::active || record.data.empty()) continue;
    const bool holds = record.owner == state_.id ? record.slot == mine_
                                                 : !state_.table.isRemoved(record.owner, record.generation);
    if (holds) leases.push_back(&record);
  }
  return leases;
}

std::vector<Holding> SlotKeeper::holdings() const {
  std::map<NodeId, Holding> holdings;
  for (const SlotRecord& record : state_.table.records()) {
    if (record.version == 0) continue;
    Holding& holding = holdings[record.owner];
    holding.removed = holding.removed || state_.table.isRemoved(record.owner, record.generation);
    if (record.use == SlotUse::free) holding.free++;
    if (record.use == SlotUse::active) holding.active++;
    if (record.use == SlotUse::revoked) holding.revoked++;
  }
  std::vector<Holding> list;
  for (auto& [owner, holding] : holdings) {
    const SlotPeer* member = memberOf(owner);
    holding.owner = owner;
    holding.name = owner == state_.id ? options_.name : (member != nullptr ? member->name : owner.text());
    holding.reachable = owner == state_.id || isAlive(owner);
    list.push_back(std::move(holding));
  }
  return list;
}

std::vector<SlotWarning> SlotKeeper::warnings() const {
  std::vector<SlotWarning> warnings;
  if (isCopied(state_.id)) {
    warnings.push_back(
        {Kind::copied,
         fmt::format("another machine runs as {}, with a copy of its disk: both would use the "
                     "same subnets, so this one takes none and gives none. Stop the copy, "
                     "remove its gossip.json (in /var/lib/twill, if not said otherwise) and start it again",
                     textOf(state_.id))});
  }
  if (!saveError_.empty()) {
    warnings.push_back(
        {Kind::unsaved,
         fmt::format("slots are neither taken nor given, since that cannot be saved: {}", saveError_)});
  }
  if (rolledBack_) {
    warnings.push_back(
        {Kind::rolledBack,
         "other nodes know newer records of this node's slots than its disk had: the disk was put "
         "back to an older state, or a copy of it runs elsewhere. What the others know was taken "
         "over"});
  }
  if (fencedBy_) {
    warnings.push_back(
        {Kind::fenced,
         fmt::format("{} removed this node while it was out of reach, and took its slots; it has "
                     "come back as a new one (generation {})",
                     textOf(fencedBy_->remover), state_.generation)});
  }
  if (!placeError_.empty()) warnings.push_back({Kind::refused, placeError_});
  if (state_.cluster) {
    warnOfConflicts(warnings);
    warnOfExhaustion(warnings);
  }
  return warnings;
}

void SlotKeeper::warnOfConflicts(std::vector<SlotWarning>& warnings) const {
  for (const auto& [slot, clash] : clashes_) {
    const bool isOwn = clash.loser == state_.id;
    warnings.push_back(
        {Kind::conflict,
         fmt::format("{} was in use on {}, too; it is {}'s now, and {} takes another", slotText(slot),
                     textOf(clash.loser), textOf(clash.winner), isOwn ? "this node" : "the other")});
  }
}

void SlotKeeper::warnOfExhaustion(std::vector<SlotWarning>& warnings) const {
  std::uint64_t free = 0;
  std::uint64_t revoked = 0;
  std::vector<std::string> away;
  for (const Holding& holding : holdings()) {
    free += holding.free;
    revoked += holding.revoked;
    if (!holding.reachable && holding.free + holding.active + holding.revoked > 0)
      away.push_back(
          fmt::format("{} ({} free, {} in use)", textOf(holding.owner), holding.free, holding.active));
  }
  if (revoked > 0) {
    std::vector<std::string> awaited;
    for (const NodeId& node : unheard(now_)) awaited.push_back(textOf(node));
    warnings.push_back(
        {Kind::resting, fmt::format("{} slots of removed nodes rest for an hour{}", revoked,
                                    awaited.empty() ? std::string()
                                                    : ", and until all these were in reach for 10 min or are "
                                                      "removed: " +
                                                          listOf(awaited))});
  }
  if (!wanted_ || held() || state_.cluster->byAddress || !ownFree().empty() || !granters(1).empty()) return;
  warnings.push_back(
      {Kind::exhausted,
       fmt::format(
           "no slot for this node: of {} slots {} are free, none of them within reach. {}. "
           "Remove nodes that are gone with \"twill peer rm\"",
           state_.table.slots(), free,
           away.empty() ? "All nodes are within reach: the pool is full" : "Out of reach: " + listOf(away))});
}

}  // namespace twill::gossip
