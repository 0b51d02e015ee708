// SPDX-License-Identifier: Apache-2.0
#include "lab/topology.hpp"

#include <set>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "model/bgp_config.hpp"
#include "plan/diff.hpp"

using namespace twill;
using namespace twill::lab;

namespace {

std::string commands(const KernelState& state) {
  std::string out;
  for (const auto& operation : additions(state, {}).operations) out += ipCommand(operation) + "\n";
  return out;
}

std::string pathOf(const std::string& machine) {
  return "/run/netns/" + machine;
}

}  // namespace

TEST_CASE("two nodes have the addresses of the talk") {
  const auto topology = topologyOf({.nodes = 2});
  REQUIRE(topology.nodes.size() == 2);
  CHECK(topology.nodes[0].v4.text() == "10.0.0.10/24");
  CHECK(topology.nodes[1].v4.text() == "10.0.0.20/24");
  CHECK(topology.nodes[1].lease.subnet->text() == "172.16.1.0/24");
  CHECK_FALSE(topology.hasRouter());
  // Nothing that a node is given may carry Twill's mark: its agent would remove it.
  for (const auto& [name, link] : wireState(topology, pathOf, CableEnd::bridge).links) {
    if (link.peer) CHECK(link.peer->protocol != kProtocol);
  }
  const std::string cable = commands(wireState(topology, pathOf, CableEnd::bridge));
  CHECK(cable.find("ip link add seg1 type bridge") != std::string::npos);
  CHECK(cable.find("ip -n node2 address add 10.0.0.20/24 dev eth0") != std::string::npos);
  CHECK(cable.find("route add default") == std::string::npos);
}

TEST_CASE("a router joins segments, and knows the subnets where nothing is encapsulated") {
  const Spec spec{.nodes = 3, .segments = 2, .ipv6 = true};
  const auto topology = topologyOf(spec);
  CHECK(topology.nodes[1].v4.text() == "10.0.0.20/24");
  CHECK(topology.nodes[2].v4.text() == "10.0.1.10/24");
  CHECK(topology.nodes[2].v6->text() == "fd00:0:0:1::10/64");
  const std::string cable = commands(wireState(topology, pathOf, CableEnd::bridge));
  CHECK(cable.find("ip -n router address add 10.0.1.1/24 dev eth2") != std::string::npos);
  CHECK(cable.find("ip -n node3 route add default via 10.0.1.1 dev eth0") != std::string::npos);
  CHECK(commands(routerState(topology, spec)) ==
        "sysctl -w net.ipv4.ip_forward=1\n"
        "sysctl -w net.ipv6.conf.all.forwarding=1\n"
        "ip route add 172.16.0.0/24 via 10.0.0.10 dev eth1 proto 4\n"
        "ip route add 172.16.1.0/24 via 10.0.0.20 dev eth1 proto 4\n"
        "ip route add 172.16.2.0/24 via 10.0.1.10 dev eth2 proto 4\n"
        "ip -6 route add fd42::/64 via fd00::10 dev eth1 proto 4\n"
        "ip -6 route add fd42:0:0:1::/64 via fd00::20 dev eth1 proto 4\n"
        "ip -6 route add fd42:0:0:2::/64 via fd00:0:0:1::10 dev eth2 proto 4\n");
  CHECK(routerState(topology, {.segments = 2, .backend = "vxlan"}).routes.empty());
}

TEST_CASE("a segment's MTU is that of its bridge, its cables and the router's port") {
  const auto topology = topologyOf({.nodes = 2, .segments = 2, .mtu = {9000, 1400}});
  const auto links = wireState(topology, pathOf, CableEnd::bridge).links;
  for (const char* large : {"seg1", "router1", "node1"}) CHECK(links.at(large).mtu == 9000);
  for (const char* small : {"seg2", "router2", "node2"}) CHECK(links.at(small).mtu == 1400);
  const auto uniform = topologyOf({.nodes = 2, .segments = 2, .mtu = {1400}});
  for (const auto& segment : uniform.segments) CHECK(segment.mtu == 1400);
}

TEST_CASE("with a shaper the nodes' cables end at no bridge, and the router's do") {
  const auto topology = topologyOf({.nodes = 2, .segments = 2, .delay = 1});
  const auto links = wireState(topology, pathOf, CableEnd::shaper).links;
  CHECK(links.at("node1").master == "");
  CHECK(links.at("node2").master == "");
  CHECK(links.at("router2").master == "seg2");
}

TEST_CASE("however many nodes: addresses are distinct, and the network config holds the leases") {
  for (const int nodes : {1, 24, 25, 200}) {
    for (const int segments : {1, 7, 100}) {
      if (segments > nodes) continue;
      const Spec spec{.nodes = nodes, .segments = segments, .datastore = "file", .ipv6 = true};
      REQUIRE(check(spec));
      Cluster cluster;
      auto config = parseNetworkConfig(networkConfigOf(spec));
      REQUIRE(config);
      cluster.network = *config;
      std::set<std::string> seen;
      for (const auto& node : topologyOf(spec).nodes) {
        CHECK(seen.insert(node.v4.text()).second);
        CHECK(seen.insert(node.v6->text()).second);
        CHECK(node.segment < segments);
        cluster.leases.push_back(node.lease);
      }
      CHECK(makeSound(cluster).conflicts.empty());
    }
  }
}

TEST_CASE("neighbours: peers, own containers, and those among each other and their gateway") {
  CHECK(neighboursOf({}) == 3 * (2 + 2 + 4));
  CHECK(neighboursOf({.nodes = 4, .containers = 1, .segments = 2}) == 4 * (1 + 1 + 1));
}

TEST_CASE("each router on the way takes one from the TTL") {
  const Spec spec{.nodes = 3, .segments = 2};
  const auto topology = topologyOf(spec);
  auto between = [&](const char* from, const char* to) {
    return routersBetween(topology, spec, *parsePlace(from), *parsePlace(to));
  };
  CHECK(between("node1", "node1/con1") == 0);
  CHECK(between("node1/con1", "node1/con2") == 0);
  CHECK(between("node1", "node2") == 0);
  CHECK(between("node1/con1", "node2") == 1);
  CHECK(between("node1/con1", "node2/con1") == 2);
  CHECK(between("node1/con1", "node3/con1") == 3);
  const Spec routed{.nodes = 1, .attach = AttachMode::routed};
  CHECK(routersBetween(topologyOf(routed), routed, *parsePlace("node1/con1"), *parsePlace("node1/con2")) ==
        1);
  CHECK(routersBetween(topologyOf(routed), routed, *parsePlace("node1"), *parsePlace("node1/con2")) == 0);
}

TEST_CASE("a cloud's router has all that is for another node's container") {
  const Spec spec{.nodes = 2, .segments = 1, .backend = "aws-vpc"};
  const auto topology = topologyOf(spec);
  CHECK(topology.hasRouter());
  auto between = [&](const char* from, const char* to) {
    return routersBetween(topology, spec, *parsePlace(from), *parsePlace(to));
  };
  CHECK(between("node1", "node1/con1") == 0);
  CHECK(between("node1", "node2") == 0);
  CHECK(between("node1/con1", "node2") == 1);
  CHECK(between("node1", "node2/con1") == 2);
  CHECK(between("node1/con1", "node2/con1") == 3);
}

TEST_CASE("with BGP all nodes talk with each other and with the router on their segment") {
  const Spec spec{.nodes = 3, .segments = 2, .backend = "ipip", .datastore = "bgp"};
  const auto bgp = parseBgpConfig(networkConfigOf(spec));
  REQUIRE(bgp);
  REQUIRE(bgp->nodes.size() == 3);
  CHECK(bgp->nodes[2].name == "node3");
  CHECK(bgp->nodes[2].address.text() == "10.0.1.10");
  REQUIRE(bgp->peers.size() == 2);
  CHECK(bgp->peers[0].address.text() == "10.0.0.1");
  CHECK(bgp->peers[0].nodes == std::vector<std::string>{"node1", "node2"});
  CHECK(bgp->peers[1].nodes == std::vector<std::string>{"node3"});
}
