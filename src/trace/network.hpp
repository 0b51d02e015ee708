// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kernel/route_lookup.hpp"
#include "model/tunnel_config.hpp"
#include "plan/ipip_tunnel.hpp"
#include "plan/objects.hpp"

/// Network namespaces and the cables between them, as plain values: what trace and diagram look at.
/// survey.hpp fills them in from a live system.
namespace twill::trace {

/// A link in a place.
struct Port {
  std::size_t place = 0;  ///< index into Network::places
  std::string link;

  auto operator<=>(const Port&) const = default;
};

/// NUD_* of linux/neighbour.h. Up to `probe` a packet goes out at once, from `incomplete` on it must wait.
enum class NeighbourState : std::uint8_t {
  permanent,
  noarp,
  reachable,
  stale,
  delay,
  probe,
  incomplete,
  failed,
  none,
};
[[nodiscard]] std::string_view textOf(NeighbourState state);

/// An entry of a place's ARP or neighbour discovery table.
struct NeighbourEntry {
  std::string link;
  IpAddress address;
  MacAddress mac;
  NeighbourState state = NeighbourState::none;

  auto operator<=>(const NeighbourEntry&) const = default;
  [[nodiscard]] bool usable() const { return state <= NeighbourState::probe; }
};

/// A link with what trace needs to know besides.
struct Interface {
  Link link;
  std::vector<InterfaceAddress> addresses;
  std::optional<Port> cable;               ///< a veth's other end, where that is a place of this network
  bool fastPath = false;                   ///< a node's: what comes in by it may go past the rest of the node
  std::optional<IpipTunnel> ipipExit;      ///< what ipip's program there does with what goes out by it
  std::optional<IpipTunnel> ipipEntrance;  ///< and the one for what comes in
  bool proxyArp = false;                   ///< answers ARP for whatever the place would route elsewhere
  std::vector<IpAddress> proxied;          ///< answers for these too, although it does not have them
  bool forwards6 = false;  ///< IPv6 packets that come in by it; the kernel's lookup does not look
};

enum class PlaceKind : std::uint8_t {
  node,
  container,
  router,
  wire,  ///< bridges that stand for cables and switches between the others
};

/// A network namespace.
struct Place {
  std::string name;  ///< "node1", "node1/con2"
  PlaceKind kind = PlaceKind::node;
  std::map<std::string, Interface> interfaces;  ///< by name
  std::vector<NeighbourEntry> neighbours;
  std::vector<ForwardingEntry> forwarding;  ///< of VXLAN devices
  std::optional<TunnelConfig> udp;          ///< what a process carries between a TUN and UDP
  std::vector<Route> routes;                ///< the main table
  /// Its kernel's own answer.
  std::function<Result<RouteAnswer>(const RouteQuery&)> lookUp;

  [[nodiscard]] const Interface* find(const std::string& link) const;
  /// The interface that carries `address`, null when none does.
  [[nodiscard]] const Interface* holder(const IpAddress& address) const;
};

struct Network {
  std::vector<Place> places;

  [[nodiscard]] const Interface& at(const Port& port) const;
  /// The place that holds `address`; containers before nodes, wires never.
  [[nodiscard]] std::optional<std::size_t> placeOf(const IpAddress& address) const;
  [[nodiscard]] std::optional<std::size_t> placeNamed(std::string_view name) const;
};

}  // namespace twill::trace
