// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>

#include "agent/time_point.hpp"
#include "net/address.hpp"

namespace twill {

/// What a router has said of a packet that it could not send on: ICMP "fragmentation needed" (RFC 1191).
struct TooBig {
  IpAddress source, destination;  ///< of the packet, IPv4
  int protocol = 0;               ///< what was in it
  int bytes = 0;                  ///< how large it was
  int mtu = 0;                    ///< what the next link takes

  bool operator==(const TooBig&) const = default;
};

/// Reads one from an IPv4 packet, its header included; none when it is anything else.
[[nodiscard]] std::optional<TooBig> readTooBig(std::span<const std::uint8_t> packet);

/// What packets of IPIP to each node may be at most, where a router on the way has said less than this node's
/// own link. Anybody can write to a node what a router would: what is taken in says less, within limits, of a
/// packet that this node may have sent, and is forgotten after kLife, as Linux does. Pure: the time is handed
/// in.
class PathMtus {
 public:
  static constexpr auto kLife = std::chrono::minutes(10);  // net.ipv4.route.mtu_expires
  static constexpr int kLeast = 576;                       // every node takes so much (RFC 791)

  /// Takes in what was said, with `linkMtu` that of this node's own link. The caller has made sure that
  /// `source` is this node and `destination` a peer. True when at() has changed.
  bool note(const TooBig& said, int linkMtu, TimePoint now);
  /// What holds, by node.
  [[nodiscard]] std::map<IpAddress, int> at(TimePoint now) const;
  /// When the first of them ends.
  [[nodiscard]] std::optional<TimePoint> nextEnd(TimePoint now) const;

 private:
  struct Entry {
    int mtu = 0;
    TimePoint end;
  };
  std::map<IpAddress, Entry> entries_;
};

}  // namespace twill
