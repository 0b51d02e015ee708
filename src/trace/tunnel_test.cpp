// SPDX-License-Identifier: Apache-2.0
#include "trace/tunnel.hpp"

#include <doctest/doctest.h>

#include "trace/report.hpp"
#include "trace/samples.hpp"

using namespace twill;
using namespace twill::trace;
using namespace twill::trace::samples;

namespace {

Trace containerToContainer(const Sample& sample) {
  const auto trace = walk(sample.network, {.from = *sample.network.placeNamed("node1/con1"),
                                           .in = "",
                                           .dst = ip("172.16.1.2"),
                                           .src = {},
                                           .bytes = 1450});
  REQUIRE(trace);
  return *trace;
}

void checkDropped(const Sample& sample, Reason reason, const char* words) {
  const auto trace = containerToContainer(sample);
  INFO(trace.text);
  CHECK(trace.outcome == Outcome::dropped);
  CHECK(textOf(trace.reason) == textOf(reason));
  CHECK(trace.text.find(words) != std::string::npos);
}

}  // namespace

TEST_CASE("a packet goes through a tunnel from node to node, and the outer one has a road of its own") {
  const auto trace = containerToContainer(twoNodesByVxlan());
  INFO(trace.text);
  CHECK(trace.outcome == Outcome::delivered);
  REQUIRE(trace.hops.size() == 4);
  CHECK(trace.hops[1].out == "twill-vx1");
  CHECK(trace.hops[2].in == "twill-vx1");
  CHECK(trace.hops[3].ttl == 62);
  REQUIRE(trace.hops[1].tunnel);
  const Tunnel& tunnel = *trace.hops[1].tunnel;
  CHECK(tunnel.dst == ip("10.0.0.20"));
  CHECK(tunnel.added == 50);
  REQUIRE(tunnel.road.size() == 1);
  CHECK(tunnel.road[0].bytes == 1500);
  CHECK(tunnel.road[0].to == "node2");
  CHECK(tunnel.road[0].hops.size() == 2);
}

TEST_CASE("the report shows the outer packet") {
  const auto text = toText({.there = containerToContainer(twoNodesByVxlan()), .back = {}}, plainPaint);
  CHECK(text.find(R"(
    │ out      twill-vx1, MTU 1450, TTL 63
    │ tunnel   VXLAN 1 in UDP 8472, 10.0.0.10 → 10.0.0.20: 50 bytes more (Ethernet 14, VXLAN 8, UDP 8, IPv4 20)
    │          · node1 out by eth0 to 10.0.0.20, MTU 1500, TTL 64, 1500 bytes
    │          · node2 in by eth0
)") != std::string::npos);
}

TEST_CASE("trace says why a packet does not get through a tunnel") {
  auto sample = twoNodesByVxlan();
  sample.place("node1").neighbours.clear();
  checkDropped(sample, Reason::tunnel, "node1 twill-vx1 has no neighbour entry for 172.16.1.0");
  sample = twoNodesByVxlan();
  sample.place("node1").forwarding.clear();
  checkDropped(sample, Reason::tunnel, "node1 twill-vx1 has no forwarding entry for ");
  sample = twoNodesByVxlan();
  sample.link("node2", "twill-vx1").link.vxlan->vni = 2;
  checkDropped(sample, Reason::tunnel, "node2 has no VXLAN device for VNI 1 at UDP port 8472");
  sample = twoNodesByVxlan();
  sample.link("node2", "twill-vx1").link.mac = MacAddress::derive("another");
  checkDropped(sample, Reason::tunnel, "node2 twill-vx1 has the MAC ");
  sample = twoNodesByVxlan();
  sample.link("node2", "twill-vx1").link.up = false;
  checkDropped(sample, Reason::tunnel, "node2 twill-vx1 is down");
  sample = twoNodesByVxlan();
  sample.place("node1").forwarding[0].node = ip("10.9.9.9");
  checkDropped(sample, Reason::noRoute, "in the tunnel: node1 has no route to 10.9.9.9");
}

TEST_CASE("an underlay that is too small for the outer packet is seen") {
  auto sample = twoNodesByVxlan();
  sample.link("node1", "eth0").link.mtu = 1400;
  const auto trace = containerToContainer(sample);
  REQUIRE(trace.hops[1].tunnel);
  const auto& first = trace.hops[1].tunnel->road.at(0).hops.at(0);
  REQUIRE(first.notes.size() == 1);
  CHECK(first.notes[0].find("1500 bytes do not fit into the MTU of 1400") == 0);
}

TEST_CASE("udp puts the bare packet into a datagram, as its own table says") {
  const auto trace = containerToContainer(twoNodesByUdp());
  INFO(trace.text);
  CHECK(trace.outcome == Outcome::delivered);
  REQUIRE(trace.hops.size() == 4);
  REQUIRE(trace.hops[1].tunnel);
  CHECK(trace.hops[1].tunnel->added == 28);
  CHECK(trace.hops[1].tunnel->road.at(0).bytes == 1478);
  CHECK(trace.hops[2].in == "twill-udp");
  CHECK(toText({.there = trace, .back = {}}, plainPaint)
            .find("tunnel   the packet itself in UDP 8285, 10.0.0.10 → 10.0.0.20: 28 bytes more (UDP 8, IPv4 "
                  "20)") != std::string::npos);
}

TEST_CASE("trace says why a packet does not get through udp") {
  auto sample = twoNodesByUdp();
  sample.place("node1").udp->peers.clear();
  checkDropped(sample, Reason::tunnel, "node1 twill-udp knows no peer for 172.16.1.2");
  sample = twoNodesByUdp();
  sample.place("node2").udp->port = 1;
  checkDropped(sample, Reason::tunnel, "node2 has no udp tunnel at UDP port 8285");
  sample = twoNodesByUdp();
  sample.place("node2").udp->peers[0].endpoint = ip("10.0.0.99");
  checkDropped(sample, Reason::tunnel, "node2 takes nothing with the source 172.16.0.2 from 10.0.0.10");
  sample = twoNodesByUdp();
  sample.link("node2", "twill-udp").link.up = false;
  checkDropped(sample, Reason::tunnel, "node2 twill-udp is down");
}

TEST_CASE(
    "ipip puts the packet into one of IP protocol 4, as its programs' map says, at a device without "
    "carrier") {
  const auto trace = containerToContainer(twoNodesByIpip());
  INFO(trace.text);
  CHECK(trace.outcome == Outcome::delivered);
  REQUIRE(trace.hops.size() == 4);
  CHECK(trace.hops[2].in == "twill-ipip");
  CHECK(trace.hops[3].ttl == 62);
  CHECK(toText({.there = trace, .back = {}}, plainPaint).find(R"(
    │ out      twill-ipip, MTU 1480, TTL 63
    │ tunnel   the packet itself by IP protocol 4, 10.0.0.10 → 10.0.0.20: 20 bytes more (IPv4 20)
    │          · made by programs of the kernel, path MTU 1500
    │          · node1 out by eth0 to 10.0.0.20, MTU 1500, TTL 64, 1470 bytes
    │          · node2 in by eth0
)") != std::string::npos);
  CHECK(toJson({.there = trace, .back = {}}).find(R"("type": "ipip",
        "vni": null,
        "protocol": 4,
        "port": null,
        "engine": "ebpf",
        "mtu": 1500,
        "src": "10.0.0.10",
        "dst": "10.0.0.20",
        "added": 20,)") != std::string::npos);
}

TEST_CASE(
    "ipip by the kernel's driver goes to the next hop, and meets a node with programs and one with the "
    "driver") {
  const auto driven = [](Sample& sample, const char* name, const char* address, const char* far,
                         const char* subnet) {
    const auto index = *sample.network.placeNamed(name);
    sample.addLink(index, "twill-ipip4", LinkKind::ipip);
    Link& device = sample.link(name, "twill-ipip4").link;
    device.mtu = 1480;
    device.ipTunnel = IpTunnel{.local = ip(address)};
    sample.link(name, "eth0").ipipEntrance.reset();
    std::erase_if(sample.routingOf(name).routes,
                  [](const Route& route) { return route.protocol == kProtocol; });
    sample.addRoute(index, prefix(subnet), "twill-ipip4", ip(far), kProtocol);
  };
  auto sample = twoNodesByIpip();
  driven(sample, "node1", "10.0.0.10", "10.0.0.20", "172.16.1.0/24");
  auto trace = containerToContainer(sample);
  INFO(trace.text);
  CHECK(trace.outcome == Outcome::delivered);
  REQUIRE(trace.hops.size() == 4);
  CHECK(trace.hops[1].out == "twill-ipip4");
  CHECK(trace.hops[1].tunnel->driver);
  CHECK(trace.hops[2].in == "twill-ipip");
  driven(sample, "node2", "10.0.0.20", "10.0.0.10", "172.16.0.0/24");
  trace = containerToContainer(sample);
  CHECK(trace.outcome == Outcome::delivered);
  CHECK(trace.hops[2].in == "twill-ipip4");
  CHECK(toText({.there = trace, .back = {}}, plainPaint)
            .find("made by a driver of the kernel, path MTU 1500") != std::string::npos);
  sample.link("node2", "twill-ipip4").link.up = false;
  checkDropped(sample, Reason::tunnel, "node2 twill-ipip4 is down");

  const Link sit{
      .name = "twill-ipip6", .kind = LinkKind::sit, .ipTunnel = IpTunnel{.local = ip("10.0.0.10")}};
  const auto six = encapsulateByDriver(sit, ip("::10.0.0.20"));
  REQUIRE(six);
  CHECK(six->dst == ip("10.0.0.20"));
  CHECK(six->protocol == 41);
  CHECK_FALSE(encapsulateByDriver(sit, ip("fe80::1")));
}

TEST_CASE("IPv6 goes by ipip's protocol 41") {
  auto sample = twoNodesByIpip();
  auto& tunnel = *sample.link("node1", "twill-ipip").ipipExit;
  tunnel.peers[0].prefixes = {prefix("fd16:0:0:2::/64")};
  CHECK(encapsulateByIpip(sample.link("node1", "twill-ipip"), ip("fd16:0:0:2::2"))->protocol == 41);
}

TEST_CASE("trace says why a packet does not get through ipip") {
  auto sample = twoNodesByIpip();
  sample.link("node1", "twill-ipip").ipipExit->peers.clear();
  checkDropped(sample, Reason::tunnel, "node1 twill-ipip knows no peer for 172.16.1.2");
  sample = twoNodesByIpip();
  sample.link("node1", "twill-ipip").ipipExit.reset();
  checkDropped(sample, Reason::linkDown, "node1 twill-ipip has no program that encapsulates");
  sample = twoNodesByIpip();
  sample.link("node1", "twill-ipip").link.up = false;
  checkDropped(sample, Reason::linkDown, "node1 twill-ipip is down");
  sample = twoNodesByIpip();
  sample.link("node2", "eth0").ipipEntrance.reset();
  checkDropped(sample, Reason::tunnel, "node2 has no program of ipip at eth0 for 10.0.0.20");
  sample = twoNodesByIpip();
  sample.link("node2", "eth0").ipipEntrance->own.clear();
  checkDropped(sample, Reason::tunnel, "node2 takes nothing for 172.16.1.2 out of ipip");
  sample = twoNodesByIpip();
  sample.link("node2", "eth0").ipipEntrance->peers[0].endpoint = ip("10.0.0.99");
  checkDropped(sample, Reason::tunnel, "node2 takes nothing with the source 172.16.0.2 from 10.0.0.10");
  sample = twoNodesByIpip();
  sample.link("node2", "twill-ipip").link.up = false;
  checkDropped(sample, Reason::tunnel, "node2 twill-ipip is down");
  sample = twoNodesByIpip();
  sample.link("node1", "eth0").link.mtu = 1400;
  checkDropped(sample, Reason::mtu, "in the tunnel: 1470 bytes do not fit into the MTU of 1400 at node1");
}
