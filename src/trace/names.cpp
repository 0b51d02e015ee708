// SPDX-License-Identifier: Apache-2.0
#include "trace/walk.hpp"

namespace twill::trace {

std::string_view textOf(NeighbourState state) {
  switch (state) {
    case NeighbourState::permanent:
      return "permanent";
    case NeighbourState::noarp:
      return "noarp";
    case NeighbourState::reachable:
      return "reachable";
    case NeighbourState::stale:
      return "stale";
    case NeighbourState::delay:
      return "delay";
    case NeighbourState::probe:
      return "probe";
    case NeighbourState::incomplete:
      return "incomplete";
    case NeighbourState::failed:
      return "failed";
    case NeighbourState::none:
      break;
  }
  return "none";
}

std::string_view textOf(Outcome outcome) {
  switch (outcome) {
    case Outcome::delivered:
      return "delivered";
    case Outcome::leaves:
      return "leaves";
    case Outcome::dropped:
      break;
  }
  return "dropped";
}

std::string_view textOf(TunnelKind kind) {
  switch (kind) {
    case TunnelKind::vxlan:
      return "vxlan";
    case TunnelKind::udp:
      return "udp";
    case TunnelKind::ipip:
      break;
  }
  return "ipip";
}

std::string_view textOf(Reason reason) {
  switch (reason) {
    case Reason::none:
      return "none";
    case Reason::noRoute:
      return "no_route";
    case Reason::blackhole:
      return "blackhole";
    case Reason::unreachable:
      return "unreachable";
    case Reason::prohibit:
      return "prohibit";
    case Reason::linkDown:
      return "link_down";
    case Reason::neighbour:
      return "neighbour";
    case Reason::notForwarding:
      return "not_forwarding";
    case Reason::notLocal:
      return "not_local";
    case Reason::reversePath:
      return "reverse_path";
    case Reason::ttl:
      return "ttl";
    case Reason::mtu:
      return "mtu";
    case Reason::loop:
      return "loop";
    case Reason::tunnel:
      return "tunnel";
    case Reason::group:
      break;
  }
  return "group";
}

}  // namespace twill::trace
