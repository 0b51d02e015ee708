// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include <linux/rtnetlink.h>

#include "trace/network.hpp"

/// A network made up for tests: two nodes on one segment, a container on each, `host-gw` between them.
namespace twill::trace::samples {

inline IpAddress ip(const char* text) {
  return IpAddress::parse(text).value();
}
inline Prefix prefix(const char* text) {
  return Prefix::parse(text).value();
}

/// A place's routing, as simple as it can be: local addresses, then the longest prefix. Shared with the
/// Place's lookUp, so a test may change it.
struct Routing {
  std::vector<IpAddress> own;
  std::vector<Route> routes;
  bool forwarding = true;
  std::string strictOn;  ///< interface with a strict reverse path filter

  [[nodiscard]] RouteAnswer find(const IpAddress& dst) const {
    RouteAnswer answer;
    for (const auto& route : routes) {
      if (!route.dst.contains(dst) || (answer.matched && answer.matched->length() >= route.dst.length()))
        continue;
      answer.verdict = route.type == RouteType::blackhole     ? RouteVerdict::blackhole
                       : route.type == RouteType::unreachable ? RouteVerdict::unreachable
                       : route.type == RouteType::prohibit    ? RouteVerdict::prohibit
                                                              : RouteVerdict::unicast;
      answer.link = route.link;
      answer.via = route.via;
      answer.source = own.front();
      answer.matched = route.dst;
      answer.protocol = route.protocol;
      answer.mtu = route.mtu;
    }
    return answer;
  }

  [[nodiscard]] RouteAnswer lookUp(const RouteQuery& query) const {
    const auto drop = [](RouteVerdict verdict) { return RouteAnswer{.verdict = verdict}; };
    if (!query.iif.empty() && query.iif == strictOn && find(*query.src).link != query.iif) {
      return drop(RouteVerdict::refusedSource);
    }
    for (const auto& address : own) {
      if (address != query.dst) continue;
      return {.verdict = RouteVerdict::local,
              .link = "",
              .source = own.front(),
              .matched = Prefix::host(query.dst)};
    }
    if (!query.iif.empty() && !forwarding && query.dst.isV4()) return drop(RouteVerdict::notForwarding);
    return find(query.dst);
  }
};

struct Sample {
  Network network;
  std::vector<std::shared_ptr<Routing>> routing;  ///< of the place with the same index

  Place& place(const char* name) { return network.places[*network.placeNamed(name)]; }
  Routing& routingOf(const char* name) { return *routing[*network.placeNamed(name)]; }
  Interface& link(const char* placeName, const char* name) { return place(placeName).interfaces.at(name); }

  std::size_t add(const char* name, PlaceKind kind) {
    auto own = std::make_shared<Routing>();
    routing.push_back(own);
    Place place;
    place.name = name;
    place.kind = kind;
    place.lookUp = [own](const RouteQuery& query) -> Result<RouteAnswer> { return own->lookUp(query); };
    network.places.push_back(std::move(place));
    return network.places.size() - 1;
  }

  void addLink(std::size_t place, const char* name, LinkKind kind, const char* master = "") {
    Interface interface;
    interface.link = {.name = name, .kind = kind, .mtu = 1500, .master = master, .running = true};
    interface.link.mac = MacAddress::derive(network.places[place].name + name);
    interface.forwards6 = true;
    network.places[place].interfaces[name] = interface;
  }

  void cable(std::size_t a, const char* linkA, std::size_t b, const char* linkB) {
    network.places[a].interfaces.at(linkA).cable = Port{b, linkB};
    network.places[b].interfaces.at(linkB).cable = Port{a, linkA};
  }

  void addAddress(std::size_t place, const char* link, const char* address) {
    const auto parsed = InterfaceAddress::parse(address).value();
    network.places[place].interfaces.at(link).addresses.push_back(parsed);
    routing[place]->own.push_back(parsed.address);
    addRoute(place, parsed.prefix(), link, std::nullopt, RTPROT_KERNEL);
  }

  void addRoute(std::size_t place, const Prefix& dst, const char* link, std::optional<IpAddress> via,
                std::uint8_t protocol) {
    const Route route{.dst = dst, .link = link, .via = via, .protocol = protocol};
    routing[place]->routes.push_back(route);
    network.places[place].routes.push_back(route);
  }
};

/// "node1", "node1/con1" with 172.16.0.2, "node2", "node2/con1" with 172.16.1.2, and "wire".
inline Sample twoNodes() {
  Sample sample;
  const auto wire = sample.add("wire", PlaceKind::wire);
  sample.addLink(wire, "seg1", LinkKind::bridge);
  for (int i = 0; i < 2; ++i) {
    const std::string name = i == 0 ? "node1" : "node2";
    const auto subnet = "172.16." + std::to_string(i);
    const auto node = sample.add(name.c_str(), PlaceKind::node);
    const auto container = sample.add((name + "/con1").c_str(), PlaceKind::container);
    sample.addLink(node, "eth0", LinkKind::veth);
    sample.addLink(node, "twill0", LinkKind::bridge);
    sample.addLink(node, "tw1", LinkKind::veth, "twill0");
    sample.addLink(container, "eth0", LinkKind::veth);
    sample.addLink(wire, name.c_str(), LinkKind::veth, "seg1");
    sample.cable(wire, name.c_str(), node, "eth0");
    sample.cable(node, "tw1", container, "eth0");
    sample.addAddress(node, "eth0", i == 0 ? "10.0.0.10/24" : "10.0.0.20/24");
    sample.addAddress(node, "twill0", (subnet + ".1/24").c_str());
    sample.addAddress(container, "eth0", (subnet + ".2/24").c_str());
    sample.addRoute(container, Prefix(), "eth0", ip((subnet + ".1").c_str()), RTPROT_BOOT);
    sample.addRoute(node, prefix(i == 0 ? "172.16.1.0/24" : "172.16.0.0/24"), "eth0",
                    ip(i == 0 ? "10.0.0.20" : "10.0.0.10"), kProtocol);
    sample.routing[container]->forwarding = false;
  }
  return sample;
}

/// twoNodes(), but the containers' packets go from node to node by VXLAN.
inline Sample twoNodesByVxlan() {
  Sample sample = twoNodes();
  for (const auto& [own, peer, address, far, subnet] :
       {std::tuple{"node1", "node2", "10.0.0.10", "10.0.0.20", "172.16.1.0"},
        std::tuple{"node2", "node1", "10.0.0.20", "10.0.0.10", "172.16.0.0"}}) {
    const auto index = *sample.network.placeNamed(own);
    sample.addLink(index, "twill-vx1", LinkKind::vxlan);
    Link& device = sample.link(own, "twill-vx1").link;
    device.mtu = 1450;
    device.vxlan = Vxlan{.vni = 1, .port = 8472, .underlay = "eth0", .local = ip(address)};
    auto& routes = sample.routingOf(own).routes;
    std::erase_if(routes, [](const Route& route) { return route.protocol == kProtocol; });
    const auto net = std::string(subnet) + "/24";
    sample.addRoute(index, prefix(net.c_str()), "twill-vx1", ip(subnet), kProtocol);
    const auto mac = MacAddress::derive(std::string(peer) + "twill-vx1");
    sample.place(own).neighbours.push_back(
        {.link = "twill-vx1", .address = ip(subnet), .mac = mac, .state = NeighbourState::permanent});
    sample.place(own).forwarding.push_back({.link = "twill-vx1", .mac = mac, .node = ip(far), .owner = ""});
  }
  return sample;
}

/// The same two nodes, joined by udp.
inline Sample twoNodesByUdp() {
  Sample sample = twoNodes();
  for (const auto& [own, peer, address, far, subnet] :
       {std::tuple{"node1", "node2", "10.0.0.10", "10.0.0.20", "172.16.1.0/24"},
        std::tuple{"node2", "node1", "10.0.0.20", "10.0.0.10", "172.16.0.0/24"}}) {
    const auto index = *sample.network.placeNamed(own);
    sample.addLink(index, "twill-udp", LinkKind::tun);
    sample.link(own, "twill-udp").link.mtu = 1472;
    auto& routes = sample.routingOf(own).routes;
    std::erase_if(routes, [](const Route& route) { return route.protocol == kProtocol; });
    sample.addRoute(index, prefix(subnet), "twill-udp", std::nullopt, kProtocol);
    sample.place(own).udp = TunnelConfig{
        .device = "twill-udp",
        .local4 = ip(address),
        .local6 = {},
        .own = {},
        .peers = {
            {.name = peer, .endpoint = ip(far), .prefixes = {prefix(subnet)}, .partialChecksums = true}}};
  }
  return sample;
}

/// And joined by ipip, as if they were in two segments.
inline Sample twoNodesByIpip() {
  Sample sample = twoNodes();
  for (const auto& [name, address, far, own, subnet] :
       {std::tuple{"node1", "10.0.0.10", "10.0.0.20", "172.16.0.0/24", "172.16.1.0/24"},
        std::tuple{"node2", "10.0.0.20", "10.0.0.10", "172.16.1.0/24", "172.16.0.0/24"}}) {
    const auto index = *sample.network.placeNamed(name);
    sample.addLink(index, "twill-ipip", LinkKind::tun);
    Interface& device = sample.link(name, "twill-ipip");
    device.link.mtu = 1480;
    device.link.running = false;  // a device in name only
    device.ipipExit = IpipTunnel{.device = "twill-ipip",
                                 .underlay = "eth0",
                                 .local = ip(address),
                                 .own = {prefix(own)},
                                 .peers = {{.endpoint = ip(far), .prefixes = {prefix(subnet)}}}};
    sample.link(name, "eth0").ipipEntrance = device.ipipExit;
    std::erase_if(sample.routingOf(name).routes,
                  [](const Route& route) { return route.protocol == kProtocol; });
    sample.addRoute(index, prefix(subnet), "twill-ipip", std::nullopt, kProtocol);
  }
  return sample;
}

}  // namespace twill::trace::samples
