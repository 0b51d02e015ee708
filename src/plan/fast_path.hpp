// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "net/address.hpp"

namespace twill {

/// Whose packets go past bridge and routing (bpf/fast_path.bpf.c). A plain value; links are named by index,
/// so that one that was made again is another one.
struct FastPath {
  struct Container {
    int link = 0;  ///< the node's end of its veth
    int mtu = 1500;
    MacAddress mac;
    MacAddress gateway;  ///< where it sends what the node is to route
    std::vector<IpAddress> addresses;

    auto operator<=>(const Container&) const = default;
  };
  /// A link that leads to peers' nodes.
  struct Way {
    int link = 0;
    bool raw = false;  ///< packets have no Ethernet headers there

    auto operator<=>(const Way&) const = default;
  };
  struct Peer {
    Prefix subnet;
    Way way;

    auto operator<=>(const Peer&) const = default;
  };
  std::vector<Container> containers;
  std::vector<Peer> peers;

  auto operator<=>(const FastPath&) const = default;
};

/// What has gone that way since the programs were loaded.
struct FastPathNumbers {
  struct Road {
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;  ///< Ethernet headers included
  };
  Road local, out, in;  ///< on the node, to peers, from peers
};

}  // namespace twill
