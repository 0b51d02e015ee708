// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <doctest/doctest.h>

#include "backend/samples.hpp"

using namespace twill;
using namespace twill::samples;

namespace {

Desired node(const Cluster& cluster, const Self& self) {
  Desired out;
  desiredNode(cluster, self, out);
  return out;
}

std::vector<std::string> masquerade(const Cluster& cluster, Self self) {
  self.ipMasq = true;
  return node(cluster, self).state.firewalls.at(kTable).chains.at("postrouting").rules;
}

}  // namespace

TEST_CASE("a node forwards the families that the cluster has") {
  auto cluster = twoNodes();
  CHECK(text(node(cluster, node1())) ==
        "sysctl -w net.ipv4.ip_forward=1\n"
        "sysctl -w net.ipv6.conf.all.forwarding=1\n");
  cluster.network.v6.reset();
  CHECK(text(node(cluster, node1())) == "sysctl -w net.ipv4.ip_forward=1\n");
  cluster.network.v6 = std::exchange(cluster.network.v4, std::nullopt);
  CHECK(text(node(cluster, node1())) == "sysctl -w net.ipv6.conf.all.forwarding=1\n");
}

TEST_CASE("an underlay that lives on router advertisements goes on doing so") {
  auto self = node1();
  self.underlay.acceptsRa = true;
  const auto out = node(twoNodes(), self);
  CHECK(out.state.sysctls.at("net/ipv6/conf/eth0/accept_ra").value == "2");
}

TEST_CASE("without masquerade there is no firewall") {
  CHECK(node(twoNodes(), node1()).state.firewalls.empty());
}

TEST_CASE("a node masquerades its own containers, but towards neither containers nor nodes") {
  CHECK(masquerade(twoNodes(), node1()) == std::vector<std::string>{
                                               "meta mark & 0x00004000 == 0x00004000 return",
                                               "ip saddr 172.16.0.0/24 ip daddr @cluster4 return",
                                               "ip saddr 172.16.0.0/24 ip daddr @nodes4 return",
                                               "ip saddr 172.16.0.0/24 ip daddr 224.0.0.0/4 return",
                                               "ip saddr 172.16.0.0/24 masquerade fully-random",
                                               "ip6 saddr fd42::/64 ip6 daddr @cluster6 return",
                                               "ip6 saddr fd42::/64 ip6 daddr @nodes6 return",
                                               "ip6 saddr fd42::/64 ip6 daddr ff00::/8 return",
                                               "ip6 saddr fd42::/64 masquerade fully-random",
                                           });
}

TEST_CASE("the sets hold the networks and every node's address, sorted and once") {
  auto cluster = twoNodes();
  std::reverse(cluster.leases.begin(), cluster.leases.end());
  cluster.leases.push_back(lease("node3", "10.0.0.100", "172.16.2.0/24"));
  cluster.leases.push_back(lease("node4", "10.0.0.100", "172.16.3.0/24"));
  auto self = node1();
  self.ipMasq = true;
  const auto sets = node(cluster, self).state.firewalls.at(kTable).sets;
  using Set = Firewall::Set;
  CHECK(sets.at("cluster4") == Set{"ipv4_addr", "interval", {"172.16.0.0/16"}});
  CHECK(sets.at("cluster6") == Set{"ipv6_addr", "interval", {"fd42::/56"}});
  CHECK(sets.at("nodes4") == Set{"ipv4_addr", "", {"10.0.0.10", "10.0.0.100", "10.0.0.20"}});
  CHECK(sets.at("nodes6") == Set{"ipv6_addr", "", {"fd00::10", "fd00::20"}});
}

TEST_CASE("a node that has no subnet in a family masquerades nothing there") {
  auto self = node1();
  self.lease.subnet6.reset();
  const auto rules = masquerade(twoNodes(), self);
  CHECK(std::none_of(rules.begin(), rules.end(), [](const auto& rule) { return rule.starts_with("ip6"); }));
}
