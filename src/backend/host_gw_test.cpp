// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "backend/samples.hpp"

using namespace twill;
using namespace twill::samples;

namespace {

Desired hostGw(const Cluster& cluster, const Self& self) {
  Desired out;
  (*findBackend("host-gw"))->desired(cluster, self, out);
  return out;
}

}  // namespace

TEST_CASE("a peer's subnets are routed via its addresses, in both families, one's own are not") {
  const auto out = hostGw(twoNodes(), node1());
  CHECK(text(out) ==
        "ip route add 172.16.1.0/24 via 10.0.0.20 dev eth0 metric 2001 proto 116\n"
        "ip -6 route add fd42:0:0:1::/64 via fd00::20 dev eth0 metric 2001 proto 116\n");
  CHECK(out.state.routes.begin()->second.owner == "node2");
}

TEST_CASE("host-gw takes nothing from the MTU") {
  CHECK((*findBackend("host-gw"))->mtu(twoNodes().network, {.mtu = 1400}).value() == 1400);
}

TEST_CASE("a lease without a node name is known as one's own by its address") {
  auto cluster = twoNodes();
  for (auto& lease : cluster.leases) lease.node.clear();
  const auto out = hostGw(cluster, node1());
  CHECK(out.state.routes.size() == 2);
  CHECK(out.notices.empty());
}

TEST_CASE("a family that the network config leaves out gets no routes") {
  auto cluster = twoNodes();
  cluster.network.v6.reset();
  CHECK(text(hostGw(cluster, node1())) ==
        "ip route add 172.16.1.0/24 via 10.0.0.20 dev eth0 metric 2001 proto 116\n");
}

TEST_CASE("a peer on another segment gets no route but a notice with what to do") {
  auto cluster = twoNodes();
  cluster.leases[1] = lease("node2", "10.0.1.20", "172.16.1.0/24");
  CHECK(text(hostGw(cluster, node1())) ==
        "! no route to 172.16.1.0/24 of node2: its address 10.0.1.20 is outside 10.0.0.0/24, the segment of "
        "eth0; "
        "add a route on the router between the segments, or choose a backend that encapsulates\n");
}

TEST_CASE("whatever else stands against a route is said too") {
  auto cluster = twoNodes();
  auto self = node1();
  cluster.leases[1].publicIp6.reset();
  CHECK(hostGw(cluster, self).notices.at(0) ==
        "no route to fd42:0:0:1::/64 of node2: its lease has no IPv6 address; set the node's public IPv6 "
        "address");
  cluster.leases[1] = lease("node2", "", "", "fd00::20", "fd42:0:0:1::/64");
  self.underlay.v6.reset();
  CHECK(hostGw(cluster, self).notices.at(0) ==
        "no route to fd42:0:0:1::/64 of node2: eth0 here has no IPv6 address to reach it from; add one");
  cluster.leases[1] = lease("node2", "10.0.0.10", "172.16.1.0/24");
  CHECK(hostGw(cluster, self).notices.at(0) ==
        "no route to 172.16.1.0/24 of node2: its address 10.0.0.10 is this node's own; remove the stale "
        "lease or "
        "correct its address");
  self.lease.publicIp = *IpAddress::parse("192.0.2.1");  // by --public-ip
  CHECK(hostGw(cluster, self).notices.at(0).find("10.0.0.10 is this node's own") != std::string::npos);
  self.lease = node1().lease;
  cluster.leases[1] = lease("node2", "10.0.0.20", "172.16.1.0/24");
  cluster.leases[1].backendType = "pigeons";
  CHECK(hostGw(cluster, self).notices.at(0) ==
        "no route to 172.16.1.0/24 of node2: its backend is pigeons; give all nodes the same network config");
  cluster.leases[1].backendType = "host-gw";
  CHECK(hostGw(cluster, self).notices.empty());
}

TEST_CASE("ten thousand peers in the wrong place are twenty notices and a count") {
  auto cluster = twoNodes();
  cluster.network.v4 = family("10.128.0.0/10", 24);
  cluster.leases.clear();
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    Lease peer = lease("peer" + std::to_string(i), "10.9.9.9", "");
    peer.subnet = cluster.network.v4->network.subnet(24, i);
    cluster.leases.push_back(peer);
  }
  const auto out = hostGw(cluster, node1());
  REQUIRE(out.notices.size() == 21);
  CHECK(out.notices.back() == "and 9980 more subnets without a route");
}
