// SPDX-License-Identifier: Apache-2.0
#include "lab/topology.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace twill::lab {
namespace {

/// RTPROT_STATIC, linux/rtnetlink.h. A node's underlay is not Twill's: what carries Twill's number is the
/// agent's to remove.
constexpr std::uint8_t kStatic = 4;

InterfaceAddress address4(int segment, int host) {
  return {IpAddress::fromV4(0x0a000000U | static_cast<std::uint32_t>(segment) << 8U |
                            static_cast<std::uint32_t>(host)),
          24};
}

/// The host number's decimal digits are taken as they are: 10.0.0.20 is fd00::20 too.
InterfaceAddress address6(int segment, int host) {
  return {*IpAddress::parse(fmt::format("fd00:0:0:{:x}::{}", segment, host)), 64};
}

Link cableTo(const std::string& machine, const std::string& port, const std::string& ifname,
             const SegmentPlan& segment, const NamespacePath& namespaceOf) {
  VethPeer peer{.netns = namespaceOf(machine),
                .name = ifname,
                .mac = MacAddress::derive(machine + "/" + ifname),
                .addresses = {},
                .routes = {},
                .protocol = kStatic};
  Link link;
  link.name = port;
  link.kind = LinkKind::veth;
  link.alias = kAliasPrefix + ("lab " + machine);
  link.mtu = segment.mtu;  // of both ends
  link.master = segment.bridge;
  link.peer = std::move(peer);
  link.owner = machine;
  return link;
}

void addAddress(VethPeer& peer, const InterfaceAddress& address, const InterfaceAddress* gateway) {
  peer.addresses.push_back(address);
  if (gateway == nullptr) return;
  IpAddress any = *IpAddress::parse(address.address.isV4() ? "0.0.0.0" : "::");
  peer.routes.push_back({.dst = Prefix(any, 0), .via = gateway->address});
}

/// All nodes talk with each other, and with the router on their segment.
nlohmann::ordered_json bgpConfigOf(const Topology& topology) {
  nlohmann::ordered_json config;
  for (const NodePlan& node : topology.nodes)
    config["Nodes"].push_back({{"Name", node.name}, {"Address", node.v4.address.text()}});
  if (!topology.hasRouter()) return config;
  for (std::size_t k = 0; k < topology.segments.size(); ++k) {
    nlohmann::ordered_json peer = {{"Address", topology.segments[k].router4.address.text()},
                                   {"AS", kRouterAs}};
    for (const NodePlan& node : topology.nodes) {
      if (node.segment == static_cast<int>(k)) peer["Nodes"].push_back(node.name);
    }
    config["Peers"].push_back(std::move(peer));
  }
  return config;
}

}  // namespace

Topology topologyOf(const Spec& spec) {
  Topology topology{.nodes = {}, .segments = {}, .etcd = {}, .cloud = isCloud(spec)};
  std::vector<int> population(static_cast<std::size_t>(spec.segments));
  for (int k = 0; k < spec.segments; ++k) {
    SegmentPlan segment{.bridge = fmt::format("seg{}", k + 1),
                        .mtu = spec.mtu[spec.mtu.size() == 1 ? 0 : static_cast<std::size_t>(k)],
                        .router4 = address4(k, 1),
                        .router6 = {}};
    if (spec.ipv6) segment.router6 = address6(k, 1);
    topology.segments.push_back(std::move(segment));
  }
  if (spec.datastore == "etcd") topology.etcd = address4(0, 2);
  const int perSegment = (spec.nodes + spec.segments - 1) / spec.segments;
  for (int i = 0; i < spec.nodes; ++i) {
    const int segment = i * spec.segments / spec.nodes;
    const int before = population[static_cast<std::size_t>(segment)]++;
    const int host = perSegment <= 24 ? 10 * (before + 1) : 10 + before;
    NodePlan node{
        .name = nodeName(i), .segment = segment, .v4 = address4(segment, host), .v6 = {}, .lease = {}};
    node.lease.node = node.name;
    node.lease.subnet = Prefix(IpAddress::fromV4(0xac100000U | static_cast<std::uint32_t>(i) << 8U), 24);
    node.lease.publicIp = node.v4.address;
    node.lease.backendType = spec.backend;
    if (spec.ipv6) {
      node.v6 = address6(segment, host);
      node.lease.subnet6 = Prefix(*IpAddress::parse(fmt::format("fd42:0:0:{:x}::", i)), 64);
      node.lease.publicIp6 = node.v6->address;
    }
    topology.nodes.push_back(std::move(node));
  }
  return topology;
}

std::vector<std::string> machinesOf(const Topology& topology) {
  std::vector<std::string> names;
  for (const NodePlan& node : topology.nodes) names.push_back(node.name);
  if (topology.hasRouter()) names.emplace_back("router");
  if (topology.etcd) names.emplace_back("etcd");
  return names;
}

std::string etcdEndpoint(const Topology& topology) {
  return fmt::format("http://{}:2379", topology.etcd->address.text());
}

std::string networkConfigOf(const Spec& spec) {
  nlohmann::ordered_json config = {
      {"Network", "172.16.0.0/16"}, {"SubnetLen", 24}, {"SubnetMin", "172.16.0.0"}};
  if (spec.ipv6) {
    config["EnableIPv6"] = true;
    config["IPv6Network"] = "fd42::/48";
    config["IPv6SubnetLen"] = 64;
    config["IPv6SubnetMin"] = "fd42::";
  }
  config["Backend"] = {{"Type", spec.backend}};
  if (spec.engine != Spec().engine) config["Backend"]["Engine"] = spec.engine;
  if (spec.directRouting) config["Backend"]["DirectRouting"] = true;
  if (spec.datastore == "bgp") config["BGP"] = bgpConfigOf(topologyOf(spec));
  return config.dump(2) + "\n";
}

std::string tapName(const NodePlan& node) {
  return node.name + "-tap";
}

KernelState wireState(const Topology& topology, const NamespacePath& namespaceOf, CableEnd nodeCables) {
  KernelState out;
  // Switches have no addresses, not even link-local ones.
  out.put(Sysctl{.path = "net/ipv6/conf/default/disable_ipv6", .value = "1", .owner = "wire"});
  for (std::size_t k = 0; k < topology.segments.size(); ++k) {
    const SegmentPlan& segment = topology.segments[k];
    out.put(Link{.name = segment.bridge,
                 .kind = LinkKind::bridge,
                 .alias = std::string(kAliasPrefix) + "lab segment",
                 .mtu = segment.mtu,
                 .owner = segment.bridge});
    if (!topology.hasRouter()) continue;
    Link cable =
        cableTo("router", fmt::format("router{}", k + 1), fmt::format("eth{}", k + 1), segment, namespaceOf);
    addAddress(*cable.peer, segment.router4, nullptr);
    if (segment.router6) addAddress(*cable.peer, *segment.router6, nullptr);
    out.put(std::move(cable));
  }
  if (topology.etcd) {
    const SegmentPlan& segment = topology.segments.front();
    Link cable = cableTo("etcd", "etcd", "eth0", segment, namespaceOf);
    addAddress(*cable.peer, *topology.etcd, topology.hasRouter() ? &segment.router4 : nullptr);
    out.put(std::move(cable));
  }
  for (const NodePlan& node : topology.nodes) {
    const SegmentPlan& segment = topology.segments[static_cast<std::size_t>(node.segment)];
    Link cable = cableTo(node.name, node.name, "eth0", segment, namespaceOf);
    if (nodeCables == CableEnd::shaper) cable.master = "";
    addAddress(*cable.peer, node.v4, topology.hasRouter() ? &segment.router4 : nullptr);
    if (node.v6) addAddress(*cable.peer, *node.v6, topology.hasRouter() ? &*segment.router6 : nullptr);
    out.put(std::move(cable));
  }
  return out;
}

KernelState routerState(const Topology& topology, const Spec& spec) {
  KernelState out;
  out.put(Sysctl{.path = "net/ipv4/ip_forward", .value = "1", .owner = "router"});
  if (spec.ipv6) out.put(Sysctl{.path = "net/ipv6/conf/all/forwarding", .value = "1", .owner = "router"});
  if (spec.backend != "host-gw" || spec.datastore == "bgp") return out;
  for (const NodePlan& node : topology.nodes) {
    const std::string link = fmt::format("eth{}", node.segment + 1);
    out.put(Route{.dst = *node.lease.subnet,
                  .link = link,
                  .via = node.v4.address,
                  .protocol = kStatic,
                  .owner = "router"});
    if (node.v6) {
      out.put(Route{.dst = *node.lease.subnet6,
                    .link = link,
                    .via = node.v6->address,
                    .protocol = kStatic,
                    .owner = "router"});
    }
  }
  return out;
}

int neighboursOf(const Spec& spec) {
  const int peers = (spec.nodes + spec.segments - 1) / spec.segments - 1;
  const int onBridge = spec.attach == AttachMode::bridge ? spec.containers : 1;
  return spec.nodes * (peers + spec.containers + spec.containers * onBridge);
}

int routersBetween(const Topology& topology, const Spec& spec, const PlaceName& from, const PlaceName& to) {
  if (from.machine == to.machine) {
    const bool bothContainers = !from.container.empty() && !to.container.empty();
    return bothContainers && spec.attach == AttachMode::routed ? 1 : 0;
  }
  auto segmentOf = [&](const std::string& machine) {
    auto found = std::find_if(topology.nodes.begin(), topology.nodes.end(),
                              [&](const NodePlan& node) { return node.name == machine; });
    return found == topology.nodes.end() ? 0 : found->segment;
  };
  // Either node routes for its own container, and between segments there is the router, whom what is
  // encapsulated shows another header. A cloud's router has all that is for a container.
  if (isCloud(spec)) {
    const bool byRouter = !to.container.empty() || segmentOf(from.machine) != segmentOf(to.machine);
    return int{!from.container.empty()} + int{!to.container.empty()} + int{byRouter};
  }
  const bool encapsulated = spec.backend != "host-gw" && !(from.container.empty() && to.container.empty());
  return int{!from.container.empty()} + int{!to.container.empty()} +
         int{!encapsulated && segmentOf(from.machine) != segmentOf(to.machine)};
}

}  // namespace twill::lab
