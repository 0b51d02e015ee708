// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "backend/samples.hpp"

using namespace twill;
using namespace twill::samples;

namespace {

/// node2 on node1's segment, node3 behind a router.
Cluster cluster() {
  auto out = twoNodes();
  out.network.backend.type = "ipip";
  out.network.backend.directRouting = true;
  out.leases.push_back(lease("node3", "10.0.1.30", "172.16.2.0/24", "fd01::30", "fd42:0:0:2::/64"));
  return out;
}

Desired ipip(const Cluster& cluster, const Self& self = node1()) {
  Desired out;
  (*findBackend("ipip"))->desired(cluster, self, out);
  return out;
}

std::string commands(Desired out) {
  out.state.firewalls.clear();
  return text({.state = std::move(out.state)});
}

std::string prefixes(const std::vector<Prefix>& all) {
  std::string out;
  for (const auto& prefix : all) out += prefix.text() + " ";
  return out;
}

}  // namespace

TEST_CASE("ipip: as it is inside the segment, over the device to other segments") {
  CHECK(commands(ipip(cluster())) ==
        "ip tuntap add dev twill-ipip mode tun user root vnet_hdr\n"
        "ip link set dev twill-ipip alias twill:ipip mtu 1480 up\n"
        "sysctl -w net.ipv6.conf.twill-ipip.accept_ra=0\n"
        "ip address add 172.16.0.0/32 dev twill-ipip\n"
        "ip address add fd42::/128 dev twill-ipip nodad\n"
        "ip route add 10.0.1.30/32 dev twill-ipip table 116 metric 2002 proto 116\n"
        "ip route add 172.16.2.0/24 dev twill-ipip metric 2002 proto 116\n"
        "ip -6 route add fd01::30/128 dev twill-ipip table 116 metric 2002 proto 116\n"
        "ip -6 route add fd42:0:0:2::/64 dev twill-ipip metric 2002 proto 116\n"
        "ip route add 172.16.1.0/24 via 10.0.0.20 dev eth0 metric 2001 proto 116\n"
        "ip -6 route add fd42:0:0:1::/64 via fd00::20 dev eth0 metric 2001 proto 116\n"
        "ip rule add from 172.16.0.0/24 lookup 116 priority 11600 protocol 116\n"
        "ip -6 rule add from fd42::/64 lookup 116 priority 11600 protocol 116\n");
}

TEST_CASE("ipip: without DirectRouting all peers are over the device, and containers get 20 bytes less") {
  auto all = cluster();
  const Backend& backend = **findBackend("ipip");
  CHECK(backend.mtu(all.network, node1().underlay) == 1500);
  all.network.backend.directRouting = false;
  CHECK(backend.mtu(all.network, node1().underlay) == 1480);
  CHECK(commands(ipip(all)).find("172.16.1.0/24 dev twill-ipip") != std::string::npos);
}

TEST_CASE("ipip: the programs know all peers, and what is this node's") {
  const auto out = ipip(cluster());
  REQUIRE(out.ipip);
  CHECK(out.ipip->device == "twill-ipip");
  CHECK(out.ipip->underlay == "eth0");
  CHECK(out.ipip->local.text() == "10.0.0.10");
  CHECK(prefixes(out.ipip->own) == "172.16.0.0/24 10.0.0.10/32 fd42::/64 fd00::10/128 ");
  REQUIRE(out.ipip->peers.size() == 2);
  CHECK(out.ipip->peers[1].endpoint.text() == "10.0.1.30");
  CHECK(prefixes(out.ipip->peers[1].prefixes) == "172.16.2.0/24 10.0.1.30/32 fd42:0:0:2::/64 fd01::30/128 ");
}

TEST_CASE("ipip: containers send none themselves out of the network") {
  const auto chain = ipip(cluster()).state.firewalls.at("inet twill").chains.at("ipip_forward");
  REQUIRE(chain.rules.size() == 1);
  CHECK(chain.rules[0] == R"(iifname "tw*" ip protocol { 4, 41 } ip daddr != 172.16.0.0/16 drop)");
}

TEST_CASE("ipip: without IPv4 on the underlay there is none, which is said") {
  Self self = node1();
  self.underlay.v4.reset();
  const auto out = ipip(cluster(), self);
  CHECK_FALSE(out.ipip);
  REQUIRE(out.notices.size() == 1);
  CHECK(out.notices[0] == "no twill-ipip: eth0 has no IPv4 address");
}

TEST_CASE("ipip: a peer that only IPv6 reaches, in another segment, has no road, and is named") {
  auto all = cluster();
  all.leases.back().publicIp.reset();
  const auto out = ipip(all);
  REQUIRE(out.notices.size() == 2);
  CHECK(out.notices[0].find("172.16.2.0/24 of node3") != std::string::npos);
  CHECK(out.notices[0].find("no IPv4 address") != std::string::npos);
}

TEST_CASE("ipip: where a router takes less, the routes to that peer say so, with no less than IPv6 needs") {
  Self self = node1();
  self.pathMtus = {{*IpAddress::parse("10.0.1.30"), 1400}, {*IpAddress::parse("10.0.0.20"), 1000}};
  auto found = commands(ipip(cluster(), self));
  CHECK(found.find("172.16.2.0/24 dev twill-ipip metric 2002 mtu 1380 proto") != std::string::npos);
  CHECK(found.find("10.0.1.30/32 dev twill-ipip table 116 metric 2002 mtu 1380 proto") != std::string::npos);
  CHECK(found.find("fd42:0:0:2::/64 dev twill-ipip metric 2002 mtu 1380 proto") != std::string::npos);
  // Inside the segment nothing is encapsulated.
  CHECK(found.find("172.16.1.0/24 via 10.0.0.20 dev eth0 metric 2001 proto") != std::string::npos);
  self.pathMtus[*IpAddress::parse("10.0.1.30")] = 1200;
  found = commands(ipip(cluster(), self));
  CHECK(found.find("172.16.2.0/24 dev twill-ipip metric 2002 mtu 1180 proto") != std::string::npos);
  CHECK(found.find("fd42:0:0:2::/64 dev twill-ipip metric 2002 mtu 1280 proto") != std::string::npos);
  auto small = cluster();
  small.network.backend.mtu = 1300;
  self.pathMtus[*IpAddress::parse("10.0.1.30")] = 1400;
  CHECK(commands(ipip(small, self)).find(" mtu 1380") == std::string::npos);
}
