// SPDX-License-Identifier: Apache-2.0
#include "trace/segment.hpp"

#include <deque>
#include <set>

namespace twill::trace {
namespace {

/// A frame that stands at a port and goes on from there.
struct Step {
  Port port;
  std::vector<Crossing> way;
};

class Search {
 public:
  explicit Search(const Network& network) : network_(network) {}

  Segment from(const Port& start) {
    leave(start, {});
    while (!arriving_.empty()) {
      const Step step = std::move(arriving_.front());
      arriving_.pop_front();
      arrive(step);
    }
    return std::move(segment_);
  }

 private:
  /// A frame goes out by `port`: a bridge sends it out by all of its ports, a veth to its other end.
  void leave(const Port& port, std::vector<Crossing> way) {
    if (!visited_.insert(port).second) return;
    const Interface& interface = network_.at(port);
    if (interface.link.kind == LinkKind::bridge) {
      flood(port.place, port.link, "", way);
    } else if (interface.cable) {
      arriving_.push_back({*interface.cable, std::move(way)});
    } else if (!interface.link.loopback) {
      segment_.exits.push_back({port, bridgeOf(port)});
    }
  }

  /// A frame comes in by `step.port`: up the stack, or into the bridge that it is a port of.
  void arrive(const Step& step) {
    const auto& [port, way] = step;
    if (!visited_.insert(port).second) return;
    const std::string bridge = bridgeOf(port);
    auto further = way;
    further.push_back({port, bridge});
    if (bridge.empty()) {
      segment_.stations.push_back({port, std::move(further)});
      return;
    }
    segment_.stations.push_back({{port.place, bridge}, further});
    flood(port.place, bridge, port.link, further);
  }

  /// Empty when it is a port of none; a bond's or a VRF's member is none.
  [[nodiscard]] std::string bridgeOf(const Port& port) const {
    const auto& master = network_.at(port).link.master;
    const Interface* over = master ? network_.places[port.place].find(*master) : nullptr;
    return over != nullptr && over->link.kind == LinkKind::bridge ? *master : "";
  }

  void flood(std::size_t place, const std::string& bridge, const std::string& except,
             const std::vector<Crossing>& way) {
    visited_.insert({place, bridge});
    for (const auto& [name, interface] : network_.places[place].interfaces) {
      if (name == except || interface.link.master != bridge) continue;
      auto further = way;
      further.push_back({{place, name}, bridge});
      leave({place, name}, std::move(further));
    }
  }

  const Network& network_;
  Segment segment_;
  std::deque<Step> arriving_;
  std::set<Port> visited_;
};

}  // namespace

Segment segmentOf(const Network& network, const Port& from) {
  return Search(network).from(from);
}

std::optional<Obstruction> obstructionOn(const Network& network, const std::vector<Crossing>& way,
                                         int bytes) {
  // is_skb_forwardable() in net/core/dev.c: what veth and bridge let pass, with room for a VLAN tag.
  constexpr int kTolerance = 4;
  for (const auto& [port, bridge] : way) {
    const Link& link = network.at(port).link;
    if (!link.up) return Obstruction{port, Obstruction::Why::down};
    if (!link.running) return Obstruction{port, Obstruction::Why::noCarrier};
    if (bytes > link.mtu.value_or(bytes) + kTolerance) return Obstruction{port, Obstruction::Why::tooSmall};
    const Interface* over = bridge.empty() ? nullptr : network.places[port.place].find(bridge);
    if (over != nullptr && !over->link.up) return Obstruction{{port.place, bridge}, Obstruction::Why::down};
  }
  return std::nullopt;
}

}  // namespace twill::trace
