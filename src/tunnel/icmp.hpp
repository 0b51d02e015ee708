// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "base/fd.hpp"
#include "tunnel/packet.hpp"

namespace twill::tunnel {

enum class Trouble : std::uint8_t { unreachable, tooLarge };

/// The ICMP message that a router sends about `packet` (RFC 792 and 1191, RFC 4443), without an IP header; in
/// IPv6 without a checksum, which the kernel fills in. None where routers keep silent: about ICMP errors,
/// fragments but the first, multicast, sources that are nobody's (RFC 1812, 4.3.2.7).
/// `mtu`: what would get through; tooLarge only.
[[nodiscard]] std::optional<std::vector<std::uint8_t>> makeIcmpError(const IpView& ip, Bytes packet,
                                                                     Trouble trouble, std::size_t mtu);

/// Sends them, as this node and not through the device: there the kernel would take the node's own address
/// for a forgery. At most kRate in a second, as RFC 1812 wants it limited. Used by one thread.
class IcmpSender {
 public:
  /// Without the right to do so (CAP_NET_RAW) nothing is sent.
  IcmpSender();
  void send(Bytes packet, Trouble trouble, std::size_t mtu);

 private:
  [[nodiscard]] bool mayNow();

  Fd socket4_, socket6_;
  std::chrono::steady_clock::time_point second_;
  int sent_ = 0;
};

}  // namespace twill::tunnel
