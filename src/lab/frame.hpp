// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "net/address.hpp"

/// What is in a packet, header by header, also inside a tunnel. Pure; the bytes may be anything.
namespace twill::lab {

struct Layer {
  std::string name;  ///< "Ethernet", "ARP", "IPv4", "IPv6", "UDP", "VXLAN", "TCP", "ICMP", "ICMPv6", "data"
  std::string text;  ///< what its fields say: "10.0.0.10 → 10.0.0.20, TTL 64, UDP"
  int bytes = 0;     ///< of this header alone; of "data", all that is left
  std::optional<IpAddress> src;
  std::optional<IpAddress> dst;

  bool operator==(const Layer&) const = default;
};

/// `ethernet`: it begins with a frame's header; else with IP. What is cut off, or not known, is "data".
[[nodiscard]] std::vector<Layer> layersOf(std::span<const std::uint8_t> packet, bool ethernet);

}  // namespace twill::lab
