// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/address.hpp"

namespace twill {

/// What twill-tunnel has to know, in the file by which the agent tells it.
struct TunnelConfig {
  struct Peer {
    std::string name;
    IpAddress endpoint;            ///< its address on the underlay
    std::vector<Prefix> prefixes;  ///< its subnets and its own addresses
    /// It completes checksums that were left to a network card, so that the kernel may send to it.
    bool partialChecksums = false;
    bool operator==(const Peer&) const = default;
  };

  std::string device;               ///< name of the TUN
  std::string underlay;             ///< link that peers' datagrams come in by; the kernel engine needs it
  std::string engine = "auto";      ///< or "user", "kernel"
  std::uint16_t port = 8285;        ///< UDP, at all nodes
  std::optional<IpAddress> local4;  ///< this node on the underlay; one of them at least
  std::optional<IpAddress> local6;
  std::vector<Prefix> own;  ///< this node's subnets and addresses: what comes is to be for one of them
  std::vector<Peer> peers;

  bool operator==(const TunnelConfig&) const = default;

  /// Errors name the key and what was expected.
  static Result<TunnelConfig> parse(std::string_view text);
  [[nodiscard]] std::string text() const;
};

}  // namespace twill
