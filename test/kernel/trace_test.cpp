// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "kernel/netns.hpp"
#include "sandbox.hpp"
#include "trace/report.hpp"
#include "trace/survey.hpp"

using namespace twill;
using namespace twill::trace;
using test::sh;

namespace {

constexpr const char* kPlaces[] = {"switch", "node1", "node1c", "node2", "node2c"};

/// Two nodes on a switch, a container on each, routes between them: what a lab looks like, without agents.
std::unique_ptr<test::Sandbox> makeNodes() {
  auto sandbox = test::Sandbox::make();
  if (!sandbox) return nullptr;
  sh(R"(set -e
for place in switch node1 node1c node2 node2c; do ip netns add $place; ip -n $place link set lo up; done
ip -n switch link add seg1 up type bridge
for i in 1 2; do
  node=node$i; own=172.16.$((i - 1)); other=172.16.$((2 - i)); own6=fd16:0:0:$i; other6=fd16:0:0:$((3 - i))
  ip -n switch link add $node up master seg1 type veth peer name eth0 netns $node
  ip -n $node link set eth0 up
  ip -n $node address add 10.0.0.${i}0/24 dev eth0
  ip -n $node address add fd10::${i}0/64 dev eth0 nodad
  ip netns exec $node sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
  ip -n $node link add twill0 up type bridge
  ip -n $node address add $own.1/24 dev twill0
  ip -n $node address add $own6::1/64 dev twill0 nodad
  ip -n $node link add tw1 up master twill0 type veth peer name eth0 netns ${node}c
  ip -n ${node}c link set eth0 up
  ip -n ${node}c address add $own.2/24 dev eth0
  ip -n ${node}c address add $own6::2/64 dev eth0 nodad
  ip -n ${node}c route add default via $own.1
  ip -n ${node}c route add default via $own6::1
  ip -n $node route add $other.0/24 via 10.0.0.$((30 - ${i}0)) proto 116
  ip -n $node route add $other6::/64 via fd10::$((30 - ${i}0)) proto 116
done)");
  return sandbox;
}

Network look() {
  std::vector<Site> sites;
  for (const char* name : kPlaces) {
    auto netns = openNamespace(std::string("/run/netns/") + name);
    REQUIRE(netns);
    const std::string_view place = name;
    const auto kind = place == "switch"      ? PlaceKind::wire
                      : place.ends_with('c') ? PlaceKind::container
                                             : PlaceKind::node;
    sites.push_back({.name = name, .kind = kind, .netns = std::move(*netns)});
  }
  auto network = survey(std::move(sites));
  INFO((network ? "" : network.error().text));
  REQUIRE(network);
  return std::move(*network);
}

Trace follow(const char* dst, int bytes = 0) {
  const auto network = look();
  const auto trace = walk(network, {.from = *network.placeNamed("node1c"),
                                    .in = "",
                                    .dst = IpAddress::parse(dst).value(),
                                    .src = {},
                                    .bytes = bytes});
  REQUIRE(trace);
  return *trace;
}

void checkDropped(const char* dst, Reason reason, const char* place, const char* words) {
  const auto trace = follow(dst);
  INFO(toText({.there = trace, .back = {}}, plainPaint));
  CHECK(trace.outcome == Outcome::dropped);
  CHECK(textOf(trace.reason) == textOf(reason));
  CHECK(trace.hops.back().place == place);
  CHECK(trace.text.find(words) != std::string::npos);
}

}  // namespace

TEST_CASE("trace follows a packet through real namespaces, as ping sees it") {
  const auto sandbox = makeNodes();
  if (!sandbox) return;
  for (const char* dst : {"172.16.1.2", "fd16:0:0:2::2"}) {
    const auto trace = follow(dst);
    INFO(toText({.there = trace, .back = {}}, plainPaint));
    CHECK(trace.outcome == Outcome::delivered);
    CHECK(trace.to == "node2c");
    REQUIRE(trace.hops.size() == 4);
    CHECK(trace.hops[1].route.protocol == 116);
    CHECK(trace.hops[1].passes.size() == 2);
    CHECK(trace.hops[3].ttl == 62);
    CHECK(trace.hops[1].neighbour.state == NeighbourState::none);
    const auto ping = sh(std::string("ip netns exec node1c ping -c 1 -W 5 ") + dst);
    CHECK(ping.find("ttl=62") != std::string::npos);
    CHECK(follow(dst).hops[1].neighbour.usable());
  }
}

TEST_CASE("trace says why: routes") {
  const auto sandbox = makeNodes();
  if (!sandbox) return;
  sh("ip -n node1 route add blackhole 172.16.1.2; ip -n node1 -6 route add blackhole fd16:0:0:2::2");
  checkDropped("172.16.1.2", Reason::blackhole, "node1", "blackhole 172.16.1.2/32");
  checkDropped("fd16:0:0:2::2", Reason::blackhole, "node1", "blackhole fd16:0:0:2::2/128");
  sh("ip -n node1 route replace unreachable 172.16.1.2");
  checkDropped("172.16.1.2", Reason::unreachable, "node1", "unreachable 172.16.1.2/32");
  sh("ip -n node1 route replace prohibit 172.16.1.2");
  checkDropped("172.16.1.2", Reason::prohibit, "node1", "prohibit 172.16.1.2/32");
  sh("ip -n node1 route del prohibit 172.16.1.2; ip -n node1 route del 172.16.1.0/24");
  checkDropped("172.16.1.2", Reason::noRoute, "node1", "no route to 172.16.1.2");
  sh("ip -n node1 link set eth0 down");
  checkDropped("172.16.1.2", Reason::noRoute, "node1", "eth0 is down");
  sh("ip -n node1c link set eth0 down");
  checkDropped("172.16.1.2", Reason::noRoute, "node1c", "eth0 is down");
}

TEST_CASE("trace says why: links") {
  const auto sandbox = makeNodes();
  if (!sandbox) return;
  sh("ip -n node1 link set tw1 down");
  checkDropped("172.16.1.2", Reason::linkDown, "node1c", "node1c eth0 has no carrier");
  sh("ip -n node1 link set tw1 up; ip -n switch link set node2 down");
  checkDropped("172.16.1.2", Reason::linkDown, "node1", "switch node2 is down");
  sh("ip -n switch link set node2 up; ip -n switch link set node2 mtu 1400");
  const auto large = follow("172.16.1.2");
  CHECK(large.reason == Reason::mtu);
  CHECK(large.text.find("switch node2 takes 1400 bytes") != std::string::npos);
  CHECK(follow("172.16.1.2", 1400).outcome == Outcome::delivered);
}

TEST_CASE("trace says why: settings of the kernel") {
  const auto sandbox = makeNodes();
  if (!sandbox) return;
  sh("ip netns exec node2 sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0");
  checkDropped("172.16.1.2", Reason::notForwarding, "node2", "net.ipv4.conf.eth0.forwarding");
  checkDropped("fd16:0:0:2::2", Reason::notForwarding, "node2", "net.ipv6.conf.all.forwarding");
  sh("ip netns exec node2 sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=1");
  CHECK(follow("172.16.1.2").outcome == Outcome::delivered);
  sh("ip -n node2 route add 172.16.0.2 via 172.16.1.77");
  checkDropped("172.16.1.2", Reason::reversePath, "node2", "its own way there is twill0");
}

TEST_CASE("trace says why: neighbours") {
  const auto sandbox = makeNodes();
  if (!sandbox) return;
  checkDropped("172.16.1.9", Reason::neighbour, "node2", "nobody on the segment of twill0 has 172.16.1.9");
  sh("ip -n node1 neighbour replace 10.0.0.20 lladdr 02:00:00:00:00:99 dev eth0 nud permanent");
  checkDropped("172.16.1.2", Reason::neighbour, "node1", "10.0.0.20 is at node2 eth0");
  sh("ip -n node1 neighbour del 10.0.0.20 dev eth0; ip -n node2 address flush dev eth0");
  checkDropped("172.16.1.2", Reason::neighbour, "node1", "nobody on the segment of eth0 has 10.0.0.20");
}

TEST_CASE("trace says why: an address that went, and a loop") {
  const auto sandbox = makeNodes();
  if (!sandbox) return;
  sh(R"(mac=$(ip -n node2c -br link show eth0 | awk '{ print $3 }')
        ip -n node2 neighbour replace 172.16.1.2 lladdr $mac dev twill0 nud permanent
        ip -n node2c address del 172.16.1.2/24 dev eth0)");
  checkDropped("172.16.1.2", Reason::notLocal, "node2c", "does not have 172.16.1.2");
  sh("ip -n node2 route add 172.16.1.2 via 10.0.0.10");
  checkDropped("172.16.1.2", Reason::loop, "node2", "goes round");
}

TEST_CASE("a routed attachment is reached by proxy ARP on both sides") {
  const auto sandbox = makeNodes();
  if (!sandbox) return;
  sh(R"(ip -n node1 link set tw1 nomaster; ip -n node1 link del twill0
        ip netns exec node1 sysctl -qw net.ipv4.conf.tw1.proxy_arp=1
        ip -n node1 route add 172.16.0.2 dev tw1; ip -n node1 route add default via 10.0.0.20
        ip -n node1c address flush dev eth0; ip -n node1c address add 172.16.0.2/32 dev eth0
        ip -n node1c route add 169.254.1.1 dev eth0; ip -n node1c route add default via 169.254.1.1)");
  const auto trace = follow("172.16.1.2");
  INFO(toText({.there = trace, .back = {}}, plainPaint));
  CHECK(trace.outcome == Outcome::delivered);
  CHECK(trace.hops[0].nextHop == IpAddress::parse("169.254.1.1").value());
}
