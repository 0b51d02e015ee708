// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "datastore/gossip/slots/slot_table.hpp"

namespace twill::gossip {

/// What tells one machine from a copy of its disk.
struct Machine {
  std::string machineId;    ///< /etc/machine-id
  std::string productUuid;  ///< the firmware's, empty where it cannot be read

  bool operator==(const Machine&) const = default;
};

/// What a node must not forget: it is durable before anybody hears of it.
struct SlotState {
  NodeId id;
  std::uint32_t generation = 1;
  Machine machine;
  /// Every other node that was ever heard of, with its highest generation. Removed ones stay.
  std::map<NodeId, std::uint32_t> nodes;
  std::optional<ClusterInfo> cluster;  ///< none: not founded or joined yet
  SlotTable table;

  bool operator==(const SlotState&) const = default;
};

/// A node's first state. `id`: random, from the caller, who has the system's random numbers.
[[nodiscard]] SlotState newState(const NodeId& id, const Machine& machine);

/// The state as a text with a checksum; parseSlotState() reads it back to an equal value.
[[nodiscard]] std::string toText(const SlotState& state);
/// Kind::invalid, with what to do: cut, altered, of another version, or of another machine (a copied disk).
/// A file that was put back to an older content is sound; see SlotKeeper for what is done about that.
[[nodiscard]] Result<SlotState> parseSlotState(std::string_view text, const Machine& here);

}  // namespace twill::gossip
