// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "datastore/gossip/slots/slot_record.hpp"

namespace twill::gossip {

/// More ids than that come from no cluster.
constexpr std::size_t kMostNodes = 65536;

/// Neighbouring slots whose records differ in nothing but the number, and that carry no data.
struct SlotRun {
  SlotRecord first;
  std::uint32_t count = 1;

  bool operator==(const SlotRun&) const = default;
};

/// One node's picture of all slots. Merging is commutative, associative and idempotent, so that nodes that
/// heard the same records hold the same table, in whatever order and however often they heard them.
class SlotTable {
 public:
  /// Beyond it tombstones are not taken: each peer removed once is 40 bytes of every exchange, for ever.
  static constexpr std::size_t kMostTombstones = 16384;

  explicit SlotTable(std::uint32_t slots = 0);

  bool operator==(const SlotTable&) const = default;

  [[nodiscard]] std::uint32_t slots() const { return static_cast<std::uint32_t>(records_.size()); }
  /// By slot; one of version 0 is nobody's.
  [[nodiscard]] const std::vector<SlotRecord>& records() const { return records_; }
  [[nodiscard]] const SlotRecord& at(std::uint32_t slot) const { return records_[slot]; }
  [[nodiscard]] const std::map<NodeId, Tombstone>& tombstones() const { return tombstones_; }
  /// Whether a node of that id and generation was removed.
  [[nodiscard]] bool isRemoved(const NodeId& node, std::uint32_t generation) const;

  /// Takes the record if it is newer, and says whether it was. A slot beyond the table is not.
  bool merge(const SlotRecord& record);
  /// The higher generation wins, then the lower remover.
  bool merge(const Tombstone& tombstone);

  /// Equal for tables that are equal, and else hardly ever. Costs nothing.
  [[nodiscard]] std::uint64_t digest() const { return digest_; }
  /// The whole table, ascending; slots of nobody are left out.
  [[nodiscard]] std::vector<SlotRun> runs() const;

 private:
  std::vector<SlotRecord> records_;
  std::map<NodeId, Tombstone> tombstones_;
  std::uint64_t digest_ = 0;  ///< of all records and tombstones, in any order
};

/// The records, which must ascend by slot, as runs.
[[nodiscard]] std::vector<SlotRun> runsOf(const std::vector<const SlotRecord*>& records);
/// The record of the `n`-th slot of a run.
[[nodiscard]] SlotRecord recordOf(const SlotRun& run, std::uint32_t n);

}  // namespace twill::gossip
