// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "attach/node_network.hpp"
#include "ipam/pool.hpp"
#include "model/attach_request.hpp"

namespace twill {

/// What the choice of an address depends on besides the request.
struct AddressBook {
  const TakenAddresses& taken;
  /// Whether somebody else, who has this network from before us, holds an address.
  std::function<bool(const IpAddress&)> isReserved;
  /// The address of this network that was handed out last, out of the pool that this number stands for.
  std::function<std::optional<IpAddress>(std::size_t pool)> lastReserved;
};

/// An address for an interface, as its container will carry it.
struct ChosenAddress {
  InterfaceAddress address;
  std::optional<IpAddress> gateway;  ///< absent in a subnet that has none, or none that anybody knows
};

/// Decides which addresses an interface gets: those that were given, else one of each set of ranges, else one
/// of each of the node's subnets. In routed mode they are /32 and /128, and the gateway is one that the node
/// answers for on every host side. Kind::busy: none is left; Kind::exists: one that was asked for is taken;
/// Kind::invalid: one that was asked for, or a range, lies elsewhere.
[[nodiscard]] Result<std::vector<ChosenAddress>> chooseAddresses(const AttachRequest& request,
                                                                 const NodeNetwork& node,
                                                                 const AddressBook& book);

/// Whether interface and bridge can have these addresses with the MTU that they get: IPv6 needs 1280 bytes.
/// Kind::invalid: they cannot.
[[nodiscard]] Result<void> checkMtu(const AttachRequest& request, const NodeNetwork& node,
                                    const std::vector<ChosenAddress>& chosen);

}  // namespace twill
