// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "net/address.hpp"

namespace twill {

/// What the programs of bpf/ipip.bpf.c are to do. A plain value.
struct IpipTunnel {
  struct Peer {
    IpAddress endpoint;            ///< IPv4, on the underlay
    std::vector<Prefix> prefixes;  ///< what is behind it: its subnets and addresses

    auto operator<=>(const Peer&) const = default;
  };
  std::string device;    ///< packets that are routed to it are encapsulated
  std::string underlay;  ///< the link that peers' packets come in by
  IpAddress local;       ///< this node's address there
  std::vector<Prefix> own;
  std::vector<Peer> peers;

  auto operator<=>(const IpipTunnel&) const = default;
};

/// What has gone through it since the programs were loaded.
struct IpipNumbers {
  std::uint64_t sentPackets = 0, sentBytes = 0;  ///< bytes of the inner packets
  std::uint64_t receivedPackets = 0, receivedBytes = 0;
  std::uint64_t strangers = 0;  ///< packets dropped: not a peer's, or with a source that is not its own
};

}  // namespace twill
