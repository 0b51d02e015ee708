// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "net/address.hpp"

namespace twill {

/// A packet whose road is asked for.
struct RouteQuery {
  IpAddress dst;
  std::optional<IpAddress> src;  ///< a forwarded IPv4 packet must have one
  std::string iif;               ///< interface that it came in by; empty: made on this node
};

/// What the kernel does with the packet.
enum class RouteVerdict : std::uint8_t {
  unicast,        ///< sends it out by RouteAnswer::link
  local,          ///< hands it to a program here; link carries the address
  group,          ///< broadcast, multicast or anycast
  blackhole,      ///< a route drops it in silence
  unreachable,    ///< a route drops it and says so to the sender
  prohibit,       ///< a route drops it and says that it is forbidden
  none,           ///< no route
  refusedSource,  ///< IPv4: dropped for its source address: reverse path filter, or not one to come from
                  ///< there
  notForwarding,  ///< IPv4: forwarding is off on the interface that it came in by
};

/// The kernel's own answer, with all its rules and tables taken into account.
struct RouteAnswer {
  RouteVerdict verdict = RouteVerdict::none;
  std::string link;                 ///< empty when the packet is dropped
  std::optional<IpAddress> via;     ///< next hop; absent: dst is on the link itself
  std::optional<IpAddress> source;  ///< what a packet made here without a source gets
  /// The route that decided. One that drops is the main table's, as the kernel names none then.
  std::optional<Prefix> matched;
  std::uint8_t protocol = 0;  ///< RTPROT_* of that route
  std::uint32_t metric = 0;
  std::uint32_t mtu = 0;    ///< the route's or what path MTU discovery learned; 0: the link's
  std::uint32_t table = 0;  ///< RT_TABLE_* of the route; 0 when nothing matched
};

/// Asks the kernel of the calling thread's network namespace. An error means that it could not be asked, or
/// that there is no interface `iif`; a packet that goes nowhere is an answer.
[[nodiscard]] Result<RouteAnswer> lookUpRoute(const RouteQuery& query);

}  // namespace twill
