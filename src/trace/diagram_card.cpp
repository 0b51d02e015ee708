// SPDX-License-Identifier: Apache-2.0
#include "trace/diagram_card.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <linux/rtnetlink.h>

#include "trace/route_class.hpp"

namespace twill::trace::diagram {
namespace {

/// The node or router that a container hangs on.
struct Parent {
  std::size_t place = 0;
  const Interface* host = nullptr;  ///< null: by its name only
};

std::optional<Parent> parentOf(const Network& network, std::size_t container) {
  const Place& place = network.places[container];
  if (place.kind != PlaceKind::container) return std::nullopt;
  for (const auto& [name, interface] : place.interfaces) {
    const Interface* host = otherEnd(network, interface);
    if (host == nullptr) continue;
    const PlaceKind kind = network.places[interface.cable->place].kind;
    if (kind == PlaceKind::node || kind == PlaceKind::router) return Parent{interface.cable->place, host};
  }
  for (std::size_t i = 0; i < network.places.size(); ++i) {
    const Place& node = network.places[i];
    if (node.kind == PlaceKind::node && place.name.starts_with(node.name + "/")) return Parent{i, nullptr};
  }
  return std::nullopt;
}

std::vector<std::string> textsOf(const std::vector<InterfaceAddress>& addresses) {
  std::vector<std::string> out;
  out.reserve(addresses.size());
  for (const auto& address : addresses) out.push_back(address.text());
  return out;
}

/// A container without a bridge gets only what the node has a route for.
bool isRoutedTo(const Place& node, const std::string& link, const IpAddress& address) {
  return std::any_of(node.routes.begin(), node.routes.end(), [&](const Route& route) {
    return route.link == link && route.dst.length() > 0 && route.dst.contains(address);
  });
}

ContainerBox containerOf(const Network& network, const Place& node, const Place& place,
                         const Interface* host) {
  ContainerBox out{.place = place.name, .name = place.name, .hostLink = {}, .addresses = {}, .fault = {}};
  if (place.name.starts_with(node.name + "/")) out.name = place.name.substr(node.name.size() + 1);
  if (host != nullptr) {
    out.hostLink = host->link.name;
    out.fault = faultOf(network, *host);
  } else {
    out.fault = "no cable";
  }
  const bool routed = host != nullptr && host->link.master.value_or("").empty();
  for (const auto& [name, interface] : place.interfaces) {
    for (const auto& address : addressesOf(interface)) {
      out.addresses.push_back(address.text());
      const bool own = otherEnd(network, interface) == host;
      if (routed && own && out.fault.empty() && !isRoutedTo(node, out.hostLink, address.address)) {
        out.fault = "no route to it";
      }
    }
  }
  return out;
}

Group& groupOf(std::vector<Group>& groups, const std::string& bridge) {
  auto found = std::find_if(groups.begin(), groups.end(), [&](const Group& g) { return g.bridge == bridge; });
  if (found != groups.end()) return *found;
  groups.push_back({.bridge = bridge, .addresses = {}, .containers = {}, .fault = {}});
  return groups.back();
}

/// Bridges with containers on them, and Twill's own also when it is empty.
std::vector<Group> groupsOf(const Network& network, std::size_t at) {
  const Place& node = network.places[at];
  std::vector<Group> groups;
  for (const auto& [name, interface] : node.interfaces) {
    const bool ours = interface.link.ours() || name == "twill0";
    if (interface.link.kind == LinkKind::bridge && ours) groupOf(groups, name);
  }
  for (std::size_t i = 0; i < network.places.size(); ++i) {
    const auto parent = parentOf(network, i);
    if (!parent || parent->place != at) continue;
    const std::string bridge = parent->host == nullptr ? "" : parent->host->link.master.value_or("");
    groupOf(groups, bridge).containers.push_back(containerOf(network, node, network.places[i], parent->host));
  }
  for (Group& group : groups) {
    const Interface* bridge = node.find(group.bridge);
    if (bridge == nullptr) continue;
    group.addresses = textsOf(addressesOf(*bridge));
    if (!bridge->link.up) {
      group.fault = "down";
    } else if (!bridge->link.running && !group.containers.empty()) {
      group.fault = "no carrier";  // without a port it is no news
    }
  }
  return groups;
}

std::string tipOf(const Interface& interface) {
  std::string tip = interface.link.name;
  if (interface.link.mac && !interface.link.mac->isZero()) tip += ", MAC " + interface.link.mac->text();
  if (interface.link.mtu) tip += fmt::format(", MTU {}", *interface.link.mtu);
  return tip;
}

/// Shown otherwise: as a bridge with containers, or as a container's cable.
bool isShownApart(const Network& network, const Interface& interface, const std::vector<Group>& groups) {
  const bool leadsToContainer = otherEnd(network, interface) != nullptr &&
                                network.places[interface.cable->place].kind == PlaceKind::container;
  return leadsToContainer || std::any_of(groups.begin(), groups.end(), [&](const Group& group) {
           return group.bridge == interface.link.name;
         });
}

std::vector<LinkLine> linksOf(const Network& network, const Place& place, const std::vector<Group>& groups) {
  std::vector<LinkLine> out;
  for (const auto& [name, interface] : place.interfaces) {
    const bool port = !interface.link.master.value_or("").empty();
    if (interface.link.loopback || port || isShownApart(network, interface, groups)) continue;
    const auto addresses = addressesOf(interface);
    const Interface* other = otherEnd(network, interface);
    if (addresses.empty() && other == nullptr && !name.starts_with("twill-")) continue;
    // A foreign bridge without ports has no carrier, which is no news.
    const bool bridge = interface.link.kind == LinkKind::bridge;
    LinkLine line{.link = name,
                  .addresses = textsOf(addresses),
                  .leadsTo = {},
                  .fault = bridge && interface.link.up ? "" : faultOf(network, interface),
                  .tip = tipOf(interface)};
    if (other != nullptr && network.places[interface.cable->place].kind != PlaceKind::wire) {
      line.leadsTo = fmt::format("{} {}", network.places[interface.cable->place].name, other->link.name);
    }
    out.push_back(std::move(line));
  }
  return out;
}

std::string_view textOf(RouteType type) {
  switch (type) {
    case RouteType::blackhole:
      return "blackhole";
    case RouteType::unreachable:
      return "unreachable";
    case RouteType::prohibit:
      return "prohibit";
    case RouteType::unicast:
      break;
  }
  return "";
}

/// All but those that follow from the addresses: Twill's to its peers, those to its own containers, the way
/// out, the others.
std::vector<RouteLine> routesOf(const Network& network, const Place& place) {
  std::vector<const Route*> routes;
  for (const Route& route : place.routes) {
    const bool plain = classOf(route.dst, route.protocol) == RouteClass::connected;
    if (plain || route.dst.address().isLinkLocal() || route.dst.address().isMulticast()) continue;
    routes.push_back(&route);
  }
  const auto rank = [](const Route& route) {
    const int sort = route.ours() ? (route.via ? 0 : 1) : route.dst.length() == 0 ? 2 : 3;
    return std::tuple(sort, route.dst, route.metric);
  };
  std::stable_sort(routes.begin(), routes.end(),
                   [&](const Route* a, const Route* b) { return rank(*a) < rank(*b); });
  std::vector<RouteLine> out;
  for (const Route* route : routes) {
    RouteLine line{.dst = route->dst.length() == 0 ? "default" : route->dst.text(),
                   .hop = route->via ? route->via->text() : route->link,
                   .link = route->via ? route->link : "",
                   .ours = route->ours(),
                   .isDefault = route->dst.length() == 0,
                   .dead = false,
                   .tip = fmt::format("{}, made by {}", describe(*route), protocolName(route->protocol))};
    if (route->type != RouteType::unicast) line.hop = textOf(route->type);
    const Interface* interface = place.find(route->link);
    line.dead = interface != nullptr && !faultOf(network, *interface).empty();
    const auto peer = route->via ? network.placeOf(*route->via) : std::nullopt;
    if (peer) line.tip += fmt::format(", next hop is {}", network.places[*peer].name);
    out.push_back(std::move(line));
  }
  return out;
}

}  // namespace

const Interface* otherEnd(const Network& network, const Interface& interface) {
  if (!interface.cable || interface.cable->place >= network.places.size()) return nullptr;
  return network.places[interface.cable->place].find(interface.cable->link);
}

std::string faultOf(const Network& network, const Interface& interface) {
  const Link& link = interface.link;
  if (!link.up) return link.name + " down";
  const Interface* other = otherEnd(network, interface);
  if (other != nullptr && !other->link.up) {
    const bool wire = network.places[interface.cable->place].kind == PlaceKind::wire;
    return (wire ? "port " : "") + other->link.name + " down";
  }
  // What a program takes at the exit needs no carrier.
  const bool carrier =
      interface.ipipExit.has_value() || (link.running && (other == nullptr || other->link.running));
  return carrier ? "" : link.name + " no carrier";
}

std::vector<InterfaceAddress> addressesOf(const Interface& interface) {
  std::vector<InterfaceAddress> out;
  for (const auto& address : interface.addresses) {
    if (!address.address.isLinkLocal() && !address.address.isLoopback()) out.push_back(address);
  }
  return out;
}

bool hasParent(const Network& network, std::size_t container) {
  return parentOf(network, container).has_value();
}

Card cardOf(const Network& network, std::size_t place) {
  const Place& self = network.places[place];
  Card card{.place = self.name, .uplinks = {}, .links = {}, .groups = groupsOf(network, place), .routes = {}};
  card.links = linksOf(network, self, card.groups);
  card.routes = routesOf(network, self);
  return card;
}

}  // namespace twill::trace::diagram
