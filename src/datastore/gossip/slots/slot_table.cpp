// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/slots/slot_table.hpp"

#include <fmt/format.h>

#include "base/fnv.hpp"

namespace twill::gossip {
namespace {

bool continues(const SlotRun& run, const SlotRecord& record) {
  SlotRecord expected = run.first;
  expected.slot += run.count;
  return expected == record && record.data.empty();
}

/// A record that is nobody's counts as none.
std::uint64_t digestOf(const SlotRecord& record) {
  if (record.version == 0) return 0;
  return fnv1a(fmt::format("{} {} {} {} {} {} {}", record.slot, record.owner.raw(), record.version,
                           static_cast<int>(record.use), record.generation, record.revokedUntil,
                           record.data));
}

std::uint64_t digestOf(const Tombstone& tombstone) {
  return fnv1a(fmt::format("{} {} {}", tombstone.node.raw(), tombstone.generation, tombstone.remover.raw()));
}

}  // namespace

SlotTable::SlotTable(std::uint32_t slots) : records_(slots) {
  for (std::uint32_t slot = 0; slot < slots; ++slot) records_[slot].slot = slot;
}

bool SlotTable::isRemoved(const NodeId& node, std::uint32_t generation) const {
  const auto found = tombstones_.find(node);
  return found != tombstones_.end() && generation <= found->second.generation;
}

bool SlotTable::merge(const SlotRecord& record) {
  if (record.slot >= records_.size() || !isNewer(record, records_[record.slot])) return false;
  digest_ ^= digestOf(records_[record.slot]) ^ digestOf(record);
  records_[record.slot] = record;
  return true;
}

bool SlotTable::merge(const Tombstone& tombstone) {
  const auto found = tombstones_.find(tombstone.node);
  if (found == tombstones_.end()) {
    if (tombstones_.size() >= kMostTombstones) return false;
    tombstones_.emplace(tombstone.node, tombstone);
    digest_ ^= digestOf(tombstone);
    return true;
  }
  Tombstone& known = found->second;
  const bool newer = tombstone.generation != known.generation ? tombstone.generation > known.generation
                                                              : tombstone.remover < known.remover;
  if (!newer) return false;
  digest_ ^= digestOf(known) ^ digestOf(tombstone);
  known = tombstone;
  return true;
}

std::vector<SlotRun> SlotTable::runs() const {
  std::vector<const SlotRecord*> owned;
  for (const SlotRecord& record : records_) {
    if (record.version != 0) owned.push_back(&record);
  }
  return runsOf(owned);
}

std::vector<SlotRun> runsOf(const std::vector<const SlotRecord*>& records) {
  std::vector<SlotRun> runs;
  for (const SlotRecord* record : records) {
    if (!runs.empty() && continues(runs.back(), *record)) {
      runs.back().count++;
    } else {
      runs.push_back({.first = *record, .count = 1});
    }
  }
  return runs;
}

SlotRecord recordOf(const SlotRun& run, std::uint32_t n) {
  SlotRecord record = run.first;
  record.slot += n;
  return record;
}

}  // namespace twill::gossip
