// SPDX-License-Identifier: Apache-2.0
#include "attach/fast_path.hpp"

#include <doctest/doctest.h>

using namespace twill;

namespace {

Attachment attachment() {
  return {.hostIfname = "tw1",
          .mac = *MacAddress::parse("0a:58:ac:10:00:02"),
          .hostMac = *MacAddress::parse("02:00:00:00:00:01"),
          .mtu = 1400,
          .addresses = {*InterfaceAddress::parse("172.16.0.2/24"), *InterfaceAddress::parse("fd42::2/64")}};
}

KernelState kernel() {
  KernelState out;
  out.put(Link{.name = "twill0",
               .kind = LinkKind::bridge,
               .mac = *MacAddress::parse("02:00:00:00:00:09"),
               .index = 3});
  out.put(Link{.name = "tw1", .kind = LinkKind::veth, .mac = attachment().hostMac, .index = 4});
  out.put(Link{.name = "eth0", .mac = *MacAddress::parse("02:00:00:00:00:10"), .index = 2});
  out.put(Link{.name = "twill-vx1",
               .kind = LinkKind::vxlan,
               .mac = *MacAddress::parse("02:00:00:00:00:11"),
               .index = 5});
  out.put(Link{.name = "twill-udp", .kind = LinkKind::tun, .index = 6});
  return out;
}

KernelState routes() {
  KernelState out;
  const auto hop = IpAddress::parse("10.0.0.20").value();
  const auto put = [&](const char* dst, const char* link, std::uint32_t table = 0, bool direct = false) {
    out.put(Route{.dst = *Prefix::parse(dst),
                  .table = table,
                  .link = link,
                  .via = direct ? std::nullopt : std::optional(hop)});
  };
  put("172.16.1.0/24", "eth0");
  put("172.16.2.0/24", "twill-vx1");
  put("172.16.5.0/24", "twill-udp", 0, true);
  out.put(Link{.name = "twill-vx1", .kind = LinkKind::vxlan});
  out.put(Link{.name = "twill-udp", .kind = LinkKind::tun});
  put("172.16.3.0/24", "eth0", kRoutingTable);
  put("172.16.4.2/32", "tw1", 0, true);
  return out;
}

FastPath pathOf(const Attachment& one, const KernelState& actual = kernel()) {
  const Attachment* list[] = {&one};
  return fastPathOf(list, routes(), actual, "eth0");
}

}  // namespace

TEST_CASE("containers by the node's end of their veth, peers by the underlay or their tunnel") {
  const auto path = pathOf(attachment());
  const auto peer = [](const char* subnet, int link, bool raw) {
    return FastPath::Peer{*Prefix::parse(subnet), {link, raw}};
  };
  CHECK(path.peers == std::vector{peer("172.16.1.0/24", 2, false), peer("172.16.2.0/24", 5, false),
                                  peer("172.16.5.0/24", 6, true)});
  REQUIRE(path.containers.size() == 1);
  CHECK(path.containers[0].link == 4);
  CHECK(path.containers[0].mtu == 1400);
  CHECK(path.containers[0].addresses.size() == 2);
}

TEST_CASE("the gateway's MAC is the bridge's, or a routed container's own") {
  auto one = attachment();
  CHECK(pathOf(one).containers[0].gateway == *MacAddress::parse("02:00:00:00:00:09"));
  one.mode = AttachMode::routed;
  CHECK(pathOf(one).containers[0].gateway == one.hostMac);
}

TEST_CASE("a container towards which the rate is limited is left out, one that is limited itself is not") {
  auto one = attachment();
  one.egress = Rate{.bitsPerSecond = 1000};
  CHECK(pathOf(one).containers.size() == 1);
  one.ingress = Rate{.bitsPerSecond = 1000};
  CHECK(pathOf(one).containers.empty());
}

TEST_CASE("an address that has to be masqueraded is left out") {
  auto one = attachment();
  one.masqueraded = {one.addresses[0].address};
  CHECK(pathOf(one).containers[0].addresses == std::vector{one.addresses[1].address});
  one.masqueraded.push_back(one.addresses[1].address);
  CHECK(pathOf(one).containers.empty());
}

TEST_CASE("a container whose veth is not there yet comes later") {
  auto actual = kernel();
  actual.links.erase("tw1");
  CHECK(pathOf(attachment(), actual).containers.empty());
}

TEST_CASE("peers behind a link that is not there yet come later") {
  auto actual = kernel();
  actual.links.erase("twill-vx1");
  actual.links.at("eth0").mac.reset();
  const auto path = pathOf(attachment(), actual);
  REQUIRE(path.peers.size() == 2);
  CHECK(path.peers[0].way.raw);
}
