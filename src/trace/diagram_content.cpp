// SPDX-License-Identifier: Apache-2.0
#include "trace/diagram_content.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "trace/diagram_card.hpp"

namespace twill::trace::diagram {
namespace {

/// A bridge of a wire.
using Bridge = Port;

std::vector<std::string> textsOf(const std::set<Prefix>& prefixes) {
  std::vector<std::string> out;
  out.reserve(prefixes.size());
  for (const Prefix& prefix : prefixes) out.push_back(prefix.text());
  return out;
}

class Sorter {
 public:
  explicit Sorter(const Network& network) : network_(network) {}

  Content take() {
    addSegments();
    std::vector<Card> outside;
    std::vector<Card> unattached;
    for (std::size_t i = 0; i < network_.places.size(); ++i) {
      const Place& place = network_.places[i];
      if (place.kind == PlaceKind::wire || hasParent(network_, i)) continue;
      Card card = cardOf(network_, i);
      addUplinks(place, card);
      noteFaults(card);
      if (place.kind == PlaceKind::router) {
        out_.routers.push_back(std::move(card));
      } else if (!card.uplinks.empty()) {
        out_.segments[card.uplinks.front().segment].nodes.push_back(std::move(card));
      } else {
        (addExit(place, card) ? outside : unattached).push_back(std::move(card));
      }
    }
    addRest(SegmentBus::Kind::outside, "outside", std::move(outside));
    addRest(SegmentBus::Kind::none, "on no segment", std::move(unattached));
    return std::move(out_);
  }

 private:
  void addSegments() {
    for (std::size_t i = 0; i < network_.places.size(); ++i) {
      if (network_.places[i].kind != PlaceKind::wire) continue;
      for (const auto& [name, interface] : network_.places[i].interfaces) {
        if (interface.link.kind == LinkKind::bridge) bridges_.push_back({i, name});
      }
    }
    // seg2 before seg10
    std::sort(bridges_.begin(), bridges_.end(), [](const Bridge& a, const Bridge& b) {
      return std::tuple(a.place, a.link.size(), a.link) < std::tuple(b.place, b.link.size(), b.link);
    });
    for (const Bridge& bridge : bridges_) {
      SegmentBus bus{.name = bridge.link, .prefixes = prefixesOn(bridge), .fault = {}, .nodes = {}};
      if (!network_.at(bridge).link.up) {
        bus.fault = "down";
        out_.faults.push_back(fmt::format("{} down", bridge.link));
      }
      out_.segments.push_back(std::move(bus));
    }
  }

  /// Of the interfaces that are plugged in there.
  [[nodiscard]] std::vector<std::string> prefixesOn(const Bridge& bridge) const {
    std::set<Prefix> prefixes;
    for (const auto& [name, port] : network_.places[bridge.place].interfaces) {
      const Interface* plugged = otherEnd(network_, port);
      if (plugged == nullptr || port.link.master != bridge.link) continue;
      for (const auto& address : addressesOf(*plugged)) prefixes.insert(address.prefix());
    }
    return textsOf(prefixes);
  }

  void addUplinks(const Place& place, Card& card) const {
    for (const auto& [name, interface] : place.interfaces) {
      const Interface* port = otherEnd(network_, interface);
      if (port == nullptr) continue;
      const Bridge bridge{interface.cable->place, port->link.master.value_or("")};
      const auto found = std::find(bridges_.begin(), bridges_.end(), bridge);
      if (found == bridges_.end()) continue;
      card.uplinks.push_back({.segment = static_cast<std::size_t>(found - bridges_.begin()),
                              .link = name,
                              .fault = faultOf(network_, interface)});
    }
    std::stable_sort(card.uplinks.begin(), card.uplinks.end(),
                     [](const Uplink& a, const Uplink& b) { return a.segment < b.segment; });
    if (place.kind == PlaceKind::router) return;
    for (std::size_t i = 1; i < card.uplinks.size(); ++i) {
      const auto line = std::find_if(card.links.begin(), card.links.end(), [&](const LinkLine& candidate) {
        return candidate.link == card.uplinks[i].link;
      });
      if (line != card.links.end()) line->leadsTo = bridges_[card.uplinks[i].segment].link;
    }
  }

  /// A link that leads out of what is known: the default route's, else the first that carries an address.
  /// False when there is none.
  [[nodiscard]] bool addExit(const Place& place, Card& card) {
    const auto leadsOut = [&](const std::string& link) {
      const Interface* interface = place.find(link);
      return interface != nullptr && !interface->cable && !link.starts_with("twill-");
    };
    const auto isBridge = [&](const std::string& link) {
      return place.interfaces.at(link).link.kind == LinkKind::bridge;
    };
    std::string exit;
    for (const Route& route : place.routes) {
      if (exit.empty() && route.dst.length() == 0 && leadsOut(route.link)) exit = route.link;
    }
    for (const LinkLine& line : card.links) {
      if (exit.empty() && leadsOut(line.link) && !isBridge(line.link)) exit = line.link;
    }
    if (exit.empty()) return false;
    const Interface& interface = *place.find(exit);
    card.uplinks.push_back({.segment = 0, .link = exit, .fault = faultOf(network_, interface)});
    for (const auto& address : addressesOf(interface)) outsidePrefixes_.insert(address.prefix());
    return true;
  }

  void addRest(SegmentBus::Kind kind, const char* name, std::vector<Card> cards) {
    if (cards.empty()) return;
    for (Card& card : cards) {
      for (Uplink& uplink : card.uplinks) uplink.segment = out_.segments.size();
    }
    SegmentBus bus{.kind = kind, .name = name, .prefixes = {}, .fault = {}, .nodes = std::move(cards)};
    if (kind == SegmentBus::Kind::outside) {
      bus.prefixes = textsOf(outsidePrefixes_);
    }
    out_.segments.push_back(std::move(bus));
  }

  void noteFaults(const Card& card) {
    const auto note = [&](const std::string& place, const std::string& what) {
      if (!what.empty()) out_.faults.push_back(fmt::format("{}: {}", place, what));
    };
    for (const LinkLine& line : card.links) note(card.place, line.fault);
    for (const Group& group : card.groups) {
      if (!group.fault.empty()) note(card.place, group.bridge + " " + group.fault);
      for (const ContainerBox& container : group.containers) note(container.place, container.fault);
    }
  }

  const Network& network_;
  Content out_;
  std::vector<Bridge> bridges_;  ///< of the segments with the same index
  std::set<Prefix> outsidePrefixes_;
};

}  // namespace

Content contentOf(const Network& network) {
  return Sorter(network).take();
}

std::string counted(std::size_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

std::string sizeOf(const Content& content) {
  std::size_t nodes = 0;
  std::size_t containers = 0;
  std::size_t segments = 0;
  for (const SegmentBus& segment : content.segments) {
    segments += segment.kind == SegmentBus::Kind::known ? 1 : 0;
    nodes += segment.nodes.size();
    for (const Card& node : segment.nodes) {
      for (const Group& group : node.groups) containers += group.containers.size();
    }
  }
  std::string text = fmt::format("{}, {}", counted(nodes, "node"), counted(containers, "container"));
  if (segments > 0) text += ", " + counted(segments, "segment");
  if (!content.routers.empty()) text += ", " + counted(content.routers.size(), "router");
  return text;
}

std::string descriptionOf(const Content& content) {
  std::string text = sizeOf(content) + ".";
  for (const SegmentBus& segment : content.segments) {
    std::vector<std::string_view> names;
    names.reserve(segment.nodes.size());
    for (const Card& node : segment.nodes) names.emplace_back(node.place);
    if (!names.empty()) text += fmt::format(" {}: {}.", segment.name, fmt::join(names, ", "));
  }
  if (!content.faults.empty()) text += fmt::format(" Faults: {}.", fmt::join(content.faults, "; "));
  return text;
}

}  // namespace twill::trace::diagram
