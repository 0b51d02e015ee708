// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "datastore/gossip/slots/slot_keeper.hpp"
#include "datastore/gossip/slots/slots.hpp"

namespace twill::gossip {
namespace {

/// What other nodes hold is saved for the routes after a restart only; that may wait for more changes.
constexpr std::chrono::seconds kSaveLazily{5};
/// How long a conflict of others is shown after it was seen last: both sides have settled it by then.
constexpr std::chrono::minutes kShowClash{10};

std::string modeText(bool byAddress) {
  return byAddress ? "takes slots by address" : "lets nodes ask each other for slots";
}

}  // namespace

Result<void> SlotKeeper::checkCluster(const ClusterId& cluster, const NodeId& from) const {
  if (cluster == state_.cluster->id) return {};
  return fail(
      fmt::format("{} is in cluster {} and this node in cluster {}: each gives out the same subnets, so "
                  "they are never merged. To move a node, remove its gossip.json and start it with "
                  "--join",
                  textOf(from), cluster.text(), state_.cluster->id.text()),
      Error::Kind::conflict);
}

Result<void> SlotKeeper::admit(const ClusterInfo& info, const NodeId& from) {
  ClusterInfo& known = *state_.cluster;
  const auto order = [](const ClusterInfo& one) {
    return std::tie(one.configVersion, one.configWriter, one.config);
  };
  if (info == known) return {};
  TWILL_TRY(const NetworkConfig network, parseNetworkConfig(info.config));
  if (info.byAddress != known.byAddress || !samePool(network, *network_)) {
    return fail(fmt::format("{} has another pool for cluster {} than this node: {}, which {}; here it is {}, "
                            "which {}. Neither may change in a cluster",
                            textOf(from), known.id.text(), poolText(network), modeText(info.byAddress),
                            poolText(*network_), modeText(known.byAddress)),
                Error::Kind::conflict);
  }
  if (order(info) <= order(known)) return {};
  known = info;
  network_ = network;
  unsaved_ = actions_.changed = true;
  return {};
}

Result<void> SlotKeeper::fits(const ClusterInfo& info) const {
  TWILL_TRY(const NetworkConfig network, parseNetworkConfig(info.config));
  if (!options_.network.empty()) {
    TWILL_TRY(const NetworkConfig own, parseNetworkConfig(options_.network));
    if (!samePool(own, network)) {
      return fail(fmt::format("cluster {} has the pool {}, and this node's network config says {}; set it to "
                              "the cluster's, or leave it out",
                              info.id.text(), poolText(network), poolText(own)),
                  Error::Kind::conflict);
    }
  }
  if (info.byAddress != options_.place.has_value()) {
    return fail(fmt::format("cluster {} {}, and this node {}", info.id.text(), modeText(info.byAddress),
                            modeText(options_.place.has_value())),
                Error::Kind::conflict);
  }
  if (options_.place) {
    TWILL_CHECK(slotOfAddress(options_.place->address, options_.place->underlay, info.slots));
  }
  return {};
}

void SlotKeeper::join(const ClusterInfo& info) {
  state_.cluster = info;
  state_.table = SlotTable(info.slots);
  network_ = *parseNetworkConfig(info.config);
  unsaved_ = actions_.changed = true;
}

void SlotKeeper::merge(TimePoint now, const SlotNews& news) {
  for (const Tombstone& tombstone : news.tombstones) {
    if (state_.table.merge(tombstone)) unsaved_ = actions_.changed = true;
  }
  for (const auto& [node, generation] : news.nodes) noteNode(node, generation);
  for (const SlotRun& run : news.runs) {
    for (std::uint32_t n = 0; n < run.count && run.first.slot + n < state_.table.slots(); ++n)
      merge(now, recordOf(run, n));
  }
}

void SlotKeeper::noteNode(const NodeId& node, std::uint32_t generation) {
  if (node == state_.id || state_.nodes.size() >= kMostNodes) return;
  std::uint32_t& known = state_.nodes[node];
  if (known < generation) unsaved_ = true;
  known = std::max(known, generation);
}

void SlotKeeper::merge(TimePoint now, const SlotRecord& record) {
  noteNode(record.owner, record.generation);
  const SlotRecord before = state_.table.at(record.slot);
  if (bothClaim(before, record)) noteClash(now, before, record);
  if (!state_.table.merge(record)) return;
  actions_.changed = true;
  if (before.owner == state_.id || record.owner == state_.id) {
    noteOwn(now, before, record);
    unsaved_ = true;
  } else if (!saveBy_) {
    saveBy_ = now + kSaveLazily;
  }
}

void SlotKeeper::noteClash(TimePoint now, const SlotRecord& one, const SlotRecord& other) {
  const bool first = isNewer(one, other);
  const SlotRecord& winner = first ? one : other;
  const SlotRecord& loser = first ? other : one;
  if (loser.use != SlotUse::active) return;
  clashes_[winner.slot] = {.winner = winner.owner, .loser = loser.owner, .seen = now};
  actions_.changed = true;
}

/// `after` has taken the place of `before` by what another node said; one of them names this node.
void SlotKeeper::noteOwn(TimePoint now, const SlotRecord& before, const SlotRecord& after) {
  if (after.owner == state_.id && after.generation > state_.generation) {
    state_.generation = after.generation;
    rolledBack_ = true;
  }
  const bool was = isOwn(before);
  const bool is = isOwn(after);
  if (was && after.owner != state_.id && before.use == SlotUse::active && !before.data.empty()) {
    clashes_[before.slot] = {.winner = after.owner, .loser = state_.id, .seen = now};
    conflicts_++;
  }
  // Only this node writes its records, so a newer one that it does not know was written before its disk was
  // put back: another state of its own slot, one in use, or a grant.
  const bool granted =
      was && !is && before.use == SlotUse::free && epochOf(before.version) == epochOf(after.version);
  rolledBack_ = rolledBack_ || (is && (was || after.use != SlotUse::free)) || granted;
}

void SlotKeeper::forgetClashes(TimePoint now) {
  std::erase_if(clashes_, [&](const auto& entry) { return now >= entry.second.seen + kShowClash; });
  for (const auto& [slot, clash] : clashes_) wakeAt(clash.seen + kShowClash);
}

}  // namespace twill::gossip
