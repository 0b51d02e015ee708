// SPDX-License-Identifier: Apache-2.0
// The firewall that desiredNode() wants, loaded by nft and seen from both ends of real packets.
#include <doctest/doctest.h>

#include "backend/samples.hpp"
#include "sandbox.hpp"

namespace twill {
namespace {

using test::Sandbox;
using test::sh;

/// This namespace is node1 with a container; "out" is all the rest of the world: a host (.1), node2 (.20) and
/// a container of node2. Each end counts what it gets by source and destination.
void makeWorld() {
  sh(R"(
    ip link set lo up
    ip netns add con; ip netns add out
    ip link add eth0 type veth peer name eth0 netns out
    ip link add tw1 type veth peer name eth0 netns con
    ip link add twill0 type bridge; ip link set tw1 master twill0
    for link in eth0 tw1 twill0; do ip link set $link up; done
    ip -n con link set eth0 up; ip -n out link set eth0 up; ip -n out link set lo up
    ip addr add 10.0.0.10/24 dev eth0; ip addr add fd00::10/64 dev eth0 nodad
    ip addr add 172.16.0.1/24 dev twill0; ip addr add fd42::1/64 dev twill0 nodad
    ip -n con addr add 172.16.0.2/24 dev eth0; ip -n con addr add fd42::2/64 dev eth0 nodad
    ip -n con route add default via 172.16.0.1; ip -n con -6 route add default via fd42::1
    for a in 10.0.0.1/24 10.0.0.20/24 172.16.1.2/32; do ip -n out addr add $a dev eth0; done
    for a in fd00::1/64 fd00::20/64 fd42:0:0:1::2/128; do ip -n out addr add $a dev eth0 nodad; done
    ip -n out route add 172.16.0.0/24 via 10.0.0.10; ip -n out -6 route add fd42::/64 via fd00::10
    for n in con out; do
      ip netns exec $n nft 'table inet seen {
        set v4 { type ipv4_addr . ipv4_addr; flags dynamic; size 64; }
        set v6 { type ipv6_addr . ipv6_addr; flags dynamic; size 64; }
        chain in {
          type filter hook input priority 0;
          icmp type echo-request add @v4 { ip saddr . ip daddr }
          icmpv6 type echo-request add @v6 { ip6 saddr . ip6 daddr }
        }
      }'
    done
  )");
}

/// node1 with masquerade, as `twill` would print it for a person to type; eth0 and twill0 are there already.
void applyNode1() {
  Self self = samples::node1();
  self.ipMasq = true;
  Desired desired;
  desiredNode(samples::twoNodes(), self, desired);
  (*findBackend("host-gw"))->desired(samples::twoNodes(), self, desired);
  for (const auto& operation : diff(desired.state, {}).operations) sh(ipCommand(operation));
}

void ping(const std::string& from, const std::string& to) {
  sh("ip netns exec " + from + " ping -c1 -W5 " + to);
}

}  // namespace

TEST_CASE(
    "a container keeps its address towards containers and nodes, and is masqueraded towards the world") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  makeWorld();
  applyNode1();
  for (const char* to : {"10.0.0.1", "10.0.0.20", "172.16.1.2", "fd00::1", "fd00::20", "fd42:0:0:1::2"})
    ping("con", to);
  const auto seen = sh("ip netns exec out nft list table inet seen");
  for (const char* pair : {"10.0.0.10 . 10.0.0.1", "172.16.0.2 . 10.0.0.20", "172.16.0.2 . 172.16.1.2",
                           "fd00::10 . fd00::1", "fd42::2 . fd00::20", "fd42::2 . fd42:0:0:1::2"}) {
    const std::string comma = std::string(pair) + ",";
    const std::string last = std::string(pair) + " }";
    CHECK_MESSAGE((seen.find(comma) != std::string::npos || seen.find(last) != std::string::npos), pair,
                  " in ", seen);
  }
}

TEST_CASE("what comes in keeps its source") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  makeWorld();
  applyNode1();
  for (const char* from : {"10.0.0.1", "172.16.1.2", "fd00::1", "fd42:0:0:1::2"}) {
    const std::string to = std::string(from).find(':') == std::string::npos ? "172.16.0.2" : "fd42::2";
    sh("ip netns exec out ping -c1 -W5 -I " + std::string(from) + " " + to);
    CHECK(sh("ip netns exec con nft list table inet seen").find(std::string(from) + " . " + to) !=
          std::string::npos);
  }
}

}  // namespace twill
