// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "trace/network.hpp"
#include "trace/segment.hpp"

namespace twill::trace {

/// The packet whose road is asked for.
struct Packet {
  std::size_t from = 0;  ///< place that makes it, or that it comes into
  std::string in;        ///< interface of that place that it comes in by; empty: it is made there
  IpAddress dst;
  std::optional<IpAddress> src;  ///< absent: what the kernel of the first place chooses
  int bytes = 0;                 ///< size with its IP header; 0: the most that the first link takes
  int ttl = 64;
};

enum class Outcome : std::uint8_t {
  delivered,
  leaves,  ///< goes out of what is known, for example by a network card
  dropped,
};

/// Why a packet is dropped.
enum class Reason : std::uint8_t {
  none,
  noRoute,
  blackhole,
  unreachable,
  prohibit,
  linkDown,       ///< an interface on the way is down or has no carrier
  neighbour,      ///< nobody answers for the next hop, or its entry is wrong
  notForwarding,  ///< forwarding is off where it comes in
  notLocal,       ///< it reaches a place that neither has the address nor forwards
  reversePath,    ///< refused for its source address
  ttl,
  mtu,
  loop,
  group,   ///< a broadcast or multicast address has many roads
  tunnel,  ///< it cannot get into a tunnel, or not out of it
};

/// A bridge port that the packet passes between two places on its road.
struct Pass {
  std::string place;
  std::string link;
  std::string bridge;
};

struct Trace;

enum class TunnelKind : std::uint8_t { vxlan, udp, ipip };

/// The packet goes on inside another one.
struct Tunnel {
  TunnelKind kind = TunnelKind::vxlan;
  IpAddress src;
  IpAddress dst;            ///< the node where it is taken out again
  std::uint16_t port = 0;   ///< UDP; 0 with ipip
  std::uint32_t vni = 0;    ///< vxlan's
  int protocol = 17;        ///< of the outer packet; with ipip 4 or 41, as there is IPv4 or IPv6 inside
  int added = 0;            ///< bytes of all headers around the packet
  bool driver = false;      ///< ipip's: made by the kernel's driver, not by programs
  int mtu = 0;              ///< ipip's: the least on the road, as far as it is known; nothing fragments
  std::vector<Trace> road;  ///< of the outer packet; one, when it is known where to send it
};

/// One place on the road.
struct Hop {
  std::string place;
  std::string in;  ///< interface that the packet came in by; empty where it was made
  RouteAnswer route;
  std::string out;  ///< empty where the road ends
  std::optional<IpAddress> nextHop;
  NeighbourEntry neighbour;        ///< the next hop's; state `none`: no entry
  int mtu = 0;                     ///< of the road from here: the route's or the link's
  int ttl = 0;                     ///< when it leaves here, or arrives for good
  std::optional<Tunnel> tunnel;    ///< where `out` is one
  std::vector<Pass> passes;        ///< on the way to the next place
  std::vector<std::string> notes;  ///< what is worth knowing but stops nothing
};

struct Trace {
  std::string from;
  std::string to;  ///< the place that it was delivered to, else empty
  std::optional<IpAddress> src;
  IpAddress dst;
  int bytes = 0;
  std::vector<Hop> hops;  ///< at least one
  Outcome outcome = Outcome::dropped;
  Reason reason = Reason::none;
  std::string text;  ///< the end of the road in a sentence
};

/// Follows the packet from place to place. Routing is decided by each place's kernel (Place::lookUp);
/// bridges, neighbours, TTL and MTU are worked out here. Not evaluated: packet filters and NAT, a bridge's
/// VLANs, STP and port isolation, arp_ignore. An error means that a kernel could not be asked.
[[nodiscard]] Result<Trace> walk(const Network& network, const Packet& packet);

// Names for machines, stable: "no_route", "delivered".
[[nodiscard]] std::string_view textOf(Reason reason);
[[nodiscard]] std::string_view textOf(Outcome outcome);
[[nodiscard]] std::string_view textOf(TunnelKind kind);

}  // namespace twill::trace
