// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "plan/objects.hpp"

namespace twill {

/// "bridge", "veth", "vxlan", "tun", "ipip", "sit", and "link" for all others.
[[nodiscard]] std::string_view kindWord(LinkKind kind);

/// The object in iproute2's own words, for messages and commands alike: "172.16.1.0/24 via 10.0.0.20 dev
/// eth0". The metric is named only when it is not the family's default.
[[nodiscard]] std::string routeWords(const Route& route);
/// "from 172.16.0.0/24 lookup 116 priority 11600"
[[nodiscard]] std::string ruleWords(const Rule& rule);
/// An address as nft writes one that it takes for a number: "2886729984", or in hex with 128 bits.
[[nodiscard]] std::string numberWord(const IpAddress& address);
/// The first and the last address of a prefix, so written: "2886729728-2886729983".
[[nodiscard]] std::string rangeWord(const Prefix& prefix);
/// "172.16.0.2 lladdr 0a:58:ac:10:00:02 dev twill0", or "proxy 172.16.0.2 dev twill0"
[[nodiscard]] std::string neighbourWords(const Neighbour& neighbour);
/// "0a:58:ac:10:00:02 dev twill-vx1 dst 10.0.0.20"
[[nodiscard]] std::string forwardingWords(const ForwardingEntry& entry);

}  // namespace twill
