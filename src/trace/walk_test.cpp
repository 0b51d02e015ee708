// SPDX-License-Identifier: Apache-2.0
#include "trace/walk.hpp"

#include <doctest/doctest.h>

#include "trace/report.hpp"
#include "trace/samples.hpp"

using namespace twill;
using namespace twill::trace;
using namespace twill::trace::samples;

namespace {

Trace go(const Sample& sample, const char* from, const char* dst, int bytes = 0, int ttl = 64) {
  const auto trace = walk(sample.network, {.from = *sample.network.placeNamed(from),
                                           .in = "",
                                           .dst = ip(dst),
                                           .src = {},
                                           .bytes = bytes,
                                           .ttl = ttl});
  REQUIRE(trace);
  return *trace;
}

Trace containerToContainer(const Sample& sample) {
  return go(sample, "node1/con1", "172.16.1.2");
}

void checkDropped(const Trace& trace, Reason reason, const char* place, const char* words) {
  INFO(trace.text);
  CHECK(trace.outcome == Outcome::dropped);
  CHECK(textOf(trace.reason) == textOf(reason));
  CHECK(trace.hops.back().place == place);
  CHECK(trace.text.find(words) != std::string::npos);
}

}  // namespace

TEST_CASE("a packet between containers of two nodes passes four places and two routers") {
  const auto trace = containerToContainer(twoNodes());
  CHECK(trace.outcome == Outcome::delivered);
  CHECK(trace.to == "node2/con1");
  CHECK(trace.src == ip("172.16.0.2"));
  CHECK(trace.bytes == 1500);
  REQUIRE(trace.hops.size() == 4);

  CHECK(trace.hops[0].place == "node1/con1");
  CHECK(trace.hops[0].out == "eth0");
  CHECK(trace.hops[0].nextHop == ip("172.16.0.1"));
  CHECK(trace.hops[0].ttl == 64);
  REQUIRE(trace.hops[0].passes.size() == 1);
  CHECK(trace.hops[0].passes[0].link == "tw1");
  CHECK(trace.hops[0].passes[0].bridge == "twill0");

  CHECK(trace.hops[1].place == "node1");
  CHECK(trace.hops[1].in == "twill0");
  CHECK(trace.hops[1].route.matched == prefix("172.16.1.0/24"));
  CHECK(trace.hops[1].nextHop == ip("10.0.0.20"));
  CHECK(trace.hops[1].ttl == 63);
  CHECK(trace.hops[1].passes.size() == 2);

  CHECK(trace.hops[2].place == "node2");
  CHECK(trace.hops[2].in == "eth0");
  CHECK(trace.hops[2].out == "twill0");
  CHECK(trace.hops[3].place == "node2/con1");
  CHECK(trace.hops[3].ttl == 62);
}

TEST_CASE("containers on one bridge reach each other without a router") {
  auto sample = twoNodes();
  const auto node = *sample.network.placeNamed("node1");
  const auto con2 = sample.add("node1/con2", PlaceKind::container);
  sample.addLink(node, "tw2", LinkKind::veth, "twill0");
  sample.addLink(con2, "eth0", LinkKind::veth);
  sample.cable(node, "tw2", con2, "eth0");
  sample.addAddress(con2, "eth0", "172.16.0.3/24");
  const auto trace = go(sample, "node1/con1", "172.16.0.3");
  CHECK(trace.outcome == Outcome::delivered);
  CHECK(trace.hops.size() == 2);
  CHECK(trace.hops.back().ttl == 64);
  CHECK(trace.hops[0].passes.size() == 2);
}

TEST_CASE("the way back is the mirror of the way there, unless a route says otherwise") {
  auto sample = twoNodes();
  const auto there = containerToContainer(sample);
  CHECK(isMirror(there, go(sample, "node2/con1", "172.16.0.2")));
  sample.routingOf("node2").routes.clear();
  CHECK_FALSE(isMirror(there, go(sample, "node2/con1", "172.16.0.2")));
}

TEST_CASE("a place without a route drops, and a link that is down is named as the cause") {
  auto sample = twoNodes();
  std::erase_if(sample.routingOf("node1").routes, [](const Route& route) { return route.via.has_value(); });
  checkDropped(containerToContainer(sample), Reason::noRoute, "node1", "no route to 172.16.1.2");
  sample.link("node1", "eth0").link.up = false;
  checkDropped(containerToContainer(sample), Reason::noRoute, "node1", "eth0 is down");
}

TEST_CASE("routes that drop are told apart and named") {
  const auto traceWith = [](RouteType type) {
    auto sample = twoNodes();
    sample.routingOf("node1").routes.push_back(
        {.dst = prefix("172.16.1.0/25"), .type = type, .protocol = RTPROT_STATIC});
    return containerToContainer(sample);
  };
  checkDropped(traceWith(RouteType::blackhole), Reason::blackhole, "node1",
               "blackhole 172.16.1.0/25, static");
  checkDropped(traceWith(RouteType::unreachable), Reason::unreachable, "node1", "host unreachable");
  checkDropped(traceWith(RouteType::prohibit), Reason::prohibit, "node1", "prohibited");
}

TEST_CASE("an interface that is down, or has no carrier, stops the packet wherever it is on the way") {
  auto sample = twoNodes();
  sample.link("node1/con1", "eth0").link.running = false;
  checkDropped(containerToContainer(sample), Reason::linkDown, "node1/con1",
               "node1/con1 eth0 has no carrier");
  sample = twoNodes();
  sample.link("wire", "node2").link.up = false;
  checkDropped(containerToContainer(sample), Reason::linkDown, "node1", "wire node2 is down");
  sample = twoNodes();
  sample.link("node2", "twill0").link.up = false;
  checkDropped(containerToContainer(sample), Reason::linkDown, "node2", "node2 twill0 is down");
}

TEST_CASE("nobody on the segment has the next hop") {
  auto sample = twoNodes();
  sample.link("node2", "eth0").addresses.clear();
  checkDropped(containerToContainer(sample), Reason::neighbour, "node1",
               "nobody on the segment of eth0 has 10.0.0.20");
}

TEST_CASE("a neighbour entry is followed even when it is wrong") {
  auto sample = twoNodes();
  NeighbourEntry entry{.link = "eth0",
                       .address = ip("10.0.0.20"),
                       .mac = *sample.link("node2", "eth0").link.mac,
                       .state = NeighbourState::stale};
  sample.place("node1").neighbours = {entry};
  CHECK(containerToContainer(sample).outcome == Outcome::delivered);
  entry.mac = MacAddress::derive("nobody");
  sample.place("node1").neighbours = {entry};
  checkDropped(containerToContainer(sample), Reason::neighbour, "node1", "10.0.0.20 is at node2 eth0");
}

TEST_CASE("a failed neighbour entry is only a note when somebody would answer now") {
  auto sample = twoNodes();
  sample.place("node1").neighbours = {
      {.link = "eth0", .address = ip("10.0.0.20"), .mac = {}, .state = NeighbourState::failed}};
  const auto trace = containerToContainer(sample);
  CHECK(trace.outcome == Outcome::delivered);
  REQUIRE(trace.hops[1].notes.size() == 1);
  CHECK(trace.hops[1].notes[0].find("did not answer") != std::string::npos);
}

TEST_CASE("two places with one address are noted") {
  auto sample = twoNodes();
  sample.link("node1", "eth0").addresses.clear();
  sample.link("node2", "twill0").addresses.clear();
  const auto wire = *sample.network.placeNamed("wire");
  const auto other = sample.add("other", PlaceKind::node);
  sample.addLink(wire, "other", LinkKind::veth, "seg1");
  sample.addLink(other, "eth0", LinkKind::veth);
  sample.cable(wire, "other", other, "eth0");
  sample.addAddress(other, "eth0", "10.0.0.20/24");
  const auto trace = go(sample, "node1", "10.0.0.20");
  REQUIRE(trace.hops[0].notes.size() == 1);
  CHECK(trace.hops[0].notes[0].find("both have 10.0.0.20") != std::string::npos);
}

TEST_CASE("a router with forwarding off, and a container that gets what is not its own, both drop") {
  auto sample = twoNodes();
  sample.routingOf("node2").forwarding = false;
  checkDropped(containerToContainer(sample), Reason::notForwarding, "node2", "net.ipv4.conf.eth0.forwarding");
  sample = twoNodes();
  sample.routingOf("node2/con1").own.clear();
  checkDropped(containerToContainer(sample), Reason::notLocal, "node2/con1", "does not have 172.16.1.2");
}

TEST_CASE("a strict reverse path filter names the way that it expects") {
  auto sample = twoNodes();
  sample.routingOf("node2").strictOn = "eth0";
  sample.routingOf("node2").routes.push_back({.dst = prefix("172.16.0.0/25"), .link = "twill0"});
  checkDropped(containerToContainer(sample), Reason::reversePath, "node2", "its own way there is twill0");
}

TEST_CASE("the TTL runs out at the router that would make it zero") {
  const auto sample = twoNodes();
  checkDropped(go(sample, "node1/con1", "172.16.1.2", 0, 1), Reason::ttl, "node1", "TTL");
  checkDropped(go(sample, "node1/con1", "172.16.1.2", 0, 2), Reason::ttl, "node2", "TTL");
  CHECK(go(sample, "node1/con1", "172.16.1.2", 0, 3).outcome == Outcome::delivered);
}

TEST_CASE("a packet larger than a route's MTU is noted at a router, and for IPv6 is the end") {
  auto sample = twoNodes();
  sample.routingOf("node1").routes.back().mtu = 1400;
  const auto trace = containerToContainer(sample);
  CHECK(trace.outcome == Outcome::delivered);
  CHECK(trace.hops[1].mtu == 1400);
  REQUIRE(trace.hops[1].notes.size() == 1);
  CHECK(trace.hops[1].notes[0].find("fragmented") != std::string::npos);
  CHECK(go(sample, "node1/con1", "172.16.1.2", 1400).hops[1].notes.empty());
}

TEST_CASE("where the fast path begins is noted, for what goes from container to container") {
  auto sample = twoNodes();
  for (const char* node : {"node1", "node2"}) {
    for (const char* link : {"tw1", "eth0"}) sample.link(node, link).fastPath = true;
  }
  const auto trace = containerToContainer(sample);
  REQUIRE(trace.hops.size() == 4);
  CHECK(trace.hops[0].notes.empty());
  REQUIRE(trace.hops[1].notes.size() == 1);
  CHECK(trace.hops[1].notes[0].find("fast path: from node1 tw1 on") == 0);
  REQUIRE(trace.hops[2].notes.size() == 1);
  CHECK(trace.hops[2].notes[0].find("fast path: from node2 eth0 on") == 0);
  CHECK(go(sample, "node1/con1", "10.0.0.20").hops[1].notes.empty());
  CHECK(go(sample, "node1", "172.16.1.2").hops[1].notes.empty());

  auto tunnel = twoNodesByVxlan();
  tunnel.link("node1", "tw1").fastPath = tunnel.link("node2", "twill-vx1").fastPath = true;
  const auto inside = go(tunnel, "node1/con1", "172.16.1.2", 1400);
  REQUIRE(inside.hops[1].notes.size() == 1);
  CHECK(inside.hops[1].notes[0].find("fast path: from node1 tw1 on") == 0);
  REQUIRE(inside.hops[2].notes.size() == 1);
  CHECK(inside.hops[2].notes[0].find("fast path: from node2 twill-vx1 on") == 0);
}

TEST_CASE("a port on the way that takes less than the sender's link swallows the packet") {
  auto sample = twoNodes();
  sample.link("node2", "tw1").link.mtu = 1450;
  checkDropped(containerToContainer(sample), Reason::mtu, "node2", "node2 tw1 takes 1450 bytes");
  CHECK(go(sample, "node1/con1", "172.16.1.2", 1450).outcome == Outcome::delivered);
}

TEST_CASE("two nodes that send to each other are a loop") {
  auto sample = twoNodes();
  const auto node2 = *sample.network.placeNamed("node2");
  sample.routing[node2]->routes.push_back(
      {.dst = prefix("172.16.1.0/25"), .link = "eth0", .via = ip("10.0.0.10"), .protocol = kProtocol});
  // node1 gets it back by eth0, sends it to node2 again.
  checkDropped(containerToContainer(sample), Reason::loop, "node2", "goes round");
}

TEST_CASE("a packet for elsewhere leaves by the network card") {
  auto sample = twoNodes();
  const auto node1 = *sample.network.placeNamed("node1");
  sample.addLink(node1, "wan0", LinkKind::other);
  sample.addAddress(node1, "wan0", "192.0.2.2/24");
  sample.addRoute(node1, Prefix(), "wan0", ip("192.0.2.1"), RTPROT_DHCP);
  const auto trace = go(sample, "node1/con1", "198.51.100.7");
  CHECK(trace.outcome == Outcome::leaves);
  CHECK(trace.text.find("wan0 for 192.0.2.1") != std::string::npos);
  sample.place("node1").neighbours = {
      {.link = "wan0", .address = ip("192.0.2.1"), .mac = {}, .state = NeighbourState::failed}};
  checkDropped(go(sample, "node1/con1", "198.51.100.7"), Reason::neighbour, "node1",
               "192.0.2.1 does not answer");
}

TEST_CASE("a TUN device hands the packet to the process that is attached, if there is one") {
  auto sample = twoNodes();
  const auto node1 = *sample.network.placeNamed("node1");
  sample.addLink(node1, "twill-udp", LinkKind::tun);
  sample.routingOf("node1").routes.clear();
  sample.addRoute(node1, prefix("172.16.1.0/24"), "twill-udp", std::nullopt, kProtocol);
  const auto trace = containerToContainer(sample);
  CHECK(trace.outcome == Outcome::leaves);
  CHECK(trace.text == "it leaves node1 by twill-udp for 172.16.1.2");
  sample.link("node1", "twill-udp").link.running = false;
  checkDropped(containerToContainer(sample), Reason::linkDown, "node1",
               "node1 twill-udp has no carrier: no process is attached to it");
}

TEST_CASE("a gateway that no address says is reached by proxy ARP") {
  auto sample = twoNodes();
  const auto container = *sample.network.placeNamed("node1/con1");
  const auto node = *sample.network.placeNamed("node1");
  sample.link("node1", "tw1").link.master = "";
  sample.routing[container]->routes = {{.dst = prefix("169.254.1.1/32"), .link = "eth0"},
                                       {.dst = Prefix(), .link = "eth0", .via = ip("169.254.1.1")}};
  checkDropped(containerToContainer(sample), Reason::neighbour, "node1/con1", "nobody");
  sample.link("node1", "tw1").proxyArp = true;
  sample.addRoute(node, Prefix(), "eth0", ip("10.0.0.20"), RTPROT_BOOT);
  CHECK(containerToContainer(sample).outcome == Outcome::delivered);
}
