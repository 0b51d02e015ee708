// SPDX-License-Identifier: Apache-2.0
// What all backends that encapsulate have in common.
#pragma once

#include "backend/backend.hpp"

namespace twill {

/// The UDP port of a tunnel of this type, which need not be the config's while a cluster changes:
/// Backend.Port, or flannel's default for the type. 0: it has none.
[[nodiscard]] std::uint16_t tunnelPort(std::string_view type, const BackendConfig& config);

/// Backend.MTU is that of the underlay, as in flannel; more than that takes is of no use.
[[nodiscard]] int underlayMtu(const NetworkConfig& config, const Underlay& underlay);

/// What containers get, when the tunnel puts `overhead` bytes around a packet. With DirectRouting peers near
/// by take all of the underlay's, and who sends to others learns of the smaller one by ICMP. An error when
/// Backend.MTU leaves less than IP needs.
[[nodiscard]] Result<int> overlayMtu(const NetworkConfig& config, const Underlay& underlay, int overhead);

/// Says that Backend.MTU does not count, where the underlay takes less.
void noteUnusedMtu(const NetworkConfig& config, const Underlay& underlay, std::vector<std::string>& notices);

/// Why the underlay is too small for packets of that family inside; empty when it is not.
[[nodiscard]] std::string reasonAgainstMtu(const NetworkConfig& config, const Underlay& underlay,
                                           int overhead, Family family);

/// The tunnel's end on this node for one family. What the node itself sends to a container has the subnet's
/// first address as source, which every peer knows the way to. What containers send to a node goes through
/// the tunnel, too: routers between may know nothing of their addresses, or refuse them.
void addOverlayEnd(const std::string& link, const Prefix& subnet, const Self& self, KernelState& out);

/// `route` to a peer's subnet through the tunnel, and the same road for containers to its `node` address.
void addOverlayRoutes(Route route, const std::optional<IpAddress>& node, const Self& self, KernelState& out);

}  // namespace twill
