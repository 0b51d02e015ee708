// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "model/network_config.hpp"

/// A network's pool cut into numbered slots, one for a node: the same numbers on every node. Pure.
namespace twill::gossip {

/// The most slots that a pool is cut into; what lies beyond them is not handed out. As many as 10.0.0.0/8 has
/// subnets /24: more would make each exchange of the whole table larger than 2 MB.
constexpr std::uint32_t kMostSlots = 65536;

struct SlotSubnets {
  std::optional<Prefix> v4;
  std::optional<Prefix> v6;

  auto operator<=>(const SlotSubnets&) const = default;
};

/// How many subnets lie between SubnetMin and SubnetMax, in the family that has fewer of them. At least 1.
[[nodiscard]] std::uint32_t slotCount(const NetworkConfig& network);

/// The subnets of a slot, SubnetMin's being slot 0. `slot` must be below slotCount().
[[nodiscard]] SlotSubnets subnetsOf(const NetworkConfig& network, std::uint32_t slot);

/// The slot of the node at `address` when each node's slot follows from its address: its distance from the
/// start of `underlay`. So no two nodes have one slot as long as none have one address, with no message.
/// Kind::invalid: not IPv4, not in `underlay` or no address of a node in it, or `underlay` has more nodes
/// than there are slots.
[[nodiscard]] Result<std::uint32_t> slotOfAddress(const IpAddress& address, const Prefix& underlay,
                                                  std::uint32_t slots);

/// Whether both cut the same pool into the same slots; the rest of a network config may change.
[[nodiscard]] bool samePool(const NetworkConfig& one, const NetworkConfig& other);

/// The pool for a person: "10.32.0.0/12 in /24 from 10.32.1.0 to 10.47.255.0".
[[nodiscard]] std::string poolText(const NetworkConfig& network);

}  // namespace twill::gossip
