// SPDX-License-Identifier: Apache-2.0
// What a node that is in several networks calls the objects of each. With one network, which needs no name,
// the names are those of the documentation.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace twill {

/// Letters, digits, '-' and '_', 32 at most: a name is a part of paths, keys and nftables identifiers.
[[nodiscard]] Result<void> checkNetworkName(std::string_view name);

/// The bridge that its containers of mode bridge are at: "twill0"; "twill0-blue" for network blue. A name of
/// more than eight characters does not fit (IFNAMSIZ) and stands there as a hash.
[[nodiscard]] std::string bridgeOf(std::string_view network);
[[nodiscard]] bool isBridgeName(std::string_view link);

/// The TUN device of backend udp: "twill-udp", "tw-udp-blue".
[[nodiscard]] std::string tunOf(std::string_view network);

/// The device of backend ipip by programs: "twill-ipip". One for the node: nothing in a packet tells networks
/// apart.
inline constexpr const char* kIpipDevice = "twill-ipip";
/// Those of the kernel's drivers, for IPv4 and IPv6 inside. Other names, so that one engine can take over
/// from the other before that is gone.
inline constexpr const char* kIpipDriver4 = "twill-ipip4";
inline constexpr const char* kIpipDriver6 = "twill-ipip6";

/// Its table of nftables, by family and name: kTable, "inet twill_blue". What containers need is in kTable
/// and kBridgeTable, whichever network they are in.
[[nodiscard]] std::string tableOf(std::string_view network);
/// Whether a table is Twill's, of whichever network.
[[nodiscard]] bool isTableName(std::string_view table);

/// The routing table for packets from its containers: kRoutingTable, or one of 2^16 above kFirstTable, by the
/// name's hash.
[[nodiscard]] std::uint32_t routingTableOf(std::string_view network);
/// Whether a routing table is Twill's, of whichever network.
[[nodiscard]] bool isRoutingTable(std::uint32_t table);

}  // namespace twill
