// SPDX-License-Identifier: Apache-2.0
#include "backend/ipip_driver.hpp"

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

Desired ipip(const Cluster& cluster) {
  Self self = node1();
  self.noIpipDriver.clear();
  Desired out;
  (*findBackend("ipip"))->desired(cluster, self, out);
  return out;
}

std::string rules(const Desired& desired, const char* chain) {
  std::string out;
  for (const auto& rule : desired.state.firewalls.at("inet twill").chains.at(chain).rules) out += rule + "\n";
  return out;
}

}  // namespace

TEST_CASE("ipip: by the kernel's drivers with a device for each family, and the peer as next hop") {
  auto out = ipip(cluster());
  CHECK_FALSE(out.ipip);
  out.state.firewalls.clear();
  out.state.setElements.clear();
  CHECK(
      text({.state = std::move(out.state)}) ==
      "ip link add twill-ipip4 type ipip local 10.0.0.10 ttl 64 tos inherit pmtudisc\n"
      "ip link set dev twill-ipip4 alias twill:ipip mtu 1480 up\n"
      "ip link add twill-ipip6 type sit local 10.0.0.10 ttl 64 tos inherit pmtudisc\n"
      "ip link set dev twill-ipip6 alias twill:ipip mtu 1480 up\n"
      "sysctl -w net.ipv6.conf.twill-ipip6.accept_ra=0\n"
      "ip address add 172.16.0.0/32 dev twill-ipip4\n"
      "ip address add fd42::/128 dev twill-ipip6 nodad\n"
      "ip route add 10.0.1.30/32 via 10.0.1.30 dev twill-ipip4 table 116 metric 2002 onlink proto 116\n"
      "ip route add 172.16.1.0/24 via 10.0.0.20 dev eth0 metric 2001 proto 116\n"
      "ip route add 172.16.2.0/24 via 10.0.1.30 dev twill-ipip4 metric 2002 onlink proto 116\n"
      "ip -6 route add fd01::30/128 via ::10.0.1.30 dev twill-ipip6 table 116 metric 2002 onlink proto 116\n"
      "ip -6 route add fd42:0:0:1::/64 via fd00::20 dev eth0 metric 2001 proto 116\n"
      "ip -6 route add fd42:0:0:2::/64 via ::10.0.1.30 dev twill-ipip6 metric 2002 onlink proto 116\n"
      "ip rule add from 172.16.0.0/24 lookup 116 priority 11600 protocol 116\n"
      "ip -6 rule add from fd42::/64 lookup 116 priority 11600 protocol 116\n");
}

TEST_CASE("ipip: the drivers take what a peer sends from its own addresses to this node's") {
  const auto out = ipip(cluster());
  CHECK(rules(out, "ipip_input") ==
        "ip protocol 4 ip saddr . @th,96,32 & 4294967040 @ipip4_24 accept\n"
        "ip protocol 4 ip saddr . @th,96,32 @ipip4_32 accept\n"
        "ip protocol 4 @th,128,32 2886729728-2886729983 counter name ipip_strangers drop\n"
        "ip protocol 4 @th,128,32 167772170-167772170 counter name ipip_strangers drop\n"
        "ip protocol 41 ip saddr . @th,64,128 & 0xffffffffffffffff0000000000000000 @ipip6_64 accept\n"
        "ip protocol 41 ip saddr . @th,64,128 @ipip6_128 accept\n"
        "ip protocol 41 @th,192,128 0xfd420000000000000000000000000000-0xfd42000000000000ffffffffffffffff "
        "counter name ipip_strangers drop\n"
        "ip protocol 41 @th,192,128 0xfd000000000000000000000000000010-0xfd000000000000000000000000000010 "
        "counter name ipip_strangers drop\n");
  CHECK(rules(out, "ipip_prerouting") ==
        "iifname \"twill-ipip4\" ip daddr != { 172.16.0.0/24, 10.0.0.10 } counter name ipip_strangers drop\n"
        "iifname \"twill-ipip6\" ip6 daddr != { fd42::/64, fd00::10 } counter name ipip_strangers drop\n");
  CHECK(rules(out, "ipip_postrouting") == "oifname \"twill-ipip6\" ip6 daddr ::/96 drop\n");
  std::string node3;
  for (const auto& [key, element] : out.state.setElements) {
    if (element.owner == "node3" && key.set.starts_with("ipip4")) node3 += key.set + " " + key.key + "\n";
  }
  CHECK(node3 == "ipip4_24 10.0.1.30 . 2886730240\nipip4_32 10.0.1.30 . 167772446\n");
}

TEST_CASE("ipip: which engine, and why") {
  CHECK(chooseIpipEngine("auto", "").reason == "the kernel has it");
  CHECK(chooseIpipEngine("auto", "").driver);
  CHECK(chooseIpipEngine("driver", "").driver);
  CHECK_FALSE(chooseIpipEngine("ebpf", "").driver);
  const auto without = chooseIpipEngine("auto", "the kernel has no driver ipip");
  CHECK_FALSE(without.driver);
  CHECK(without.reason == "the kernel has no driver ipip");
  CHECK(without.problem.empty());
  const auto asked = chooseIpipEngine("driver", "the kernel has no driver ipip");
  CHECK_FALSE(asked.driver);
  CHECK(asked.problem.starts_with(
      "Backend.Engine is \"driver\", but packets go by eBPF programs: the kernel has no"));

  auto all = cluster();
  all.network.backend.engine = "ebpf";
  CHECK(ipip(all).ipip);
  CHECK(ipip(all).state.links.contains("twill-ipip"));
}
