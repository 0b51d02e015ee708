// SPDX-License-Identifier: Apache-2.0
#include "kernel/route_lookup.hpp"

#include <doctest/doctest.h>
#include <linux/rtnetlink.h>

#include "sandbox.hpp"

using namespace twill;
using test::sh;

namespace {

IpAddress ip(const char* text) {
  return IpAddress::parse(text).value();
}
Prefix prefix(const char* text) {
  return Prefix::parse(text).value();
}

RouteAnswer look(const char* dst) {
  const auto answer = lookUpRoute({.dst = ip(dst), .src = {}, .iif = ""});
  REQUIRE(answer);
  return *answer;
}

RouteAnswer lookForwarded(const char* src, const char* dst, const char* iif) {
  const auto answer = lookUpRoute({.dst = ip(dst), .src = ip(src), .iif = iif});
  REQUIRE(answer);
  return *answer;
}

/// A router between `left` 10.0.0.10/24 and `right` 172.16.0.1/24, with the same in IPv6.
std::unique_ptr<test::Sandbox> makeRouter() {
  auto sandbox = test::Sandbox::make();
  if (!sandbox) return nullptr;
  sh(R"(ip link add name left type veth peer name left1
        ip link add name right type veth peer name right1
        for link in left left1 right right1; do ip link set dev $link up; done
        for try in $(seq 100); do  # the kernel gives IPv6 its routes when it has seen the carrier
          [ $(ip -o link show | grep -c 'state UP') = 4 ] && break || sleep 0.05
        done
        ip address add 10.0.0.10/24 dev left; ip address add fd10::10/64 dev left nodad
        ip address add 172.16.0.1/24 dev right; ip address add fd16::1/64 dev right nodad
        sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1)");
  return sandbox;
}

}  // namespace

TEST_CASE("a lookup says the link, the next hop and the route that matched") {
  const auto sandbox = makeRouter();
  if (!sandbox) return;
  sh("ip route add 172.16.1.0/24 via 10.0.0.20 proto 116 metric 77 mtu 1400");
  sh("ip -6 route add fd16:0:0:1::/64 via fd10::20 proto 116 metric 78");

  const auto v4 = look("172.16.1.5");
  CHECK(v4.verdict == RouteVerdict::unicast);
  CHECK(v4.link == "left");
  CHECK(v4.via == ip("10.0.0.20"));
  CHECK(v4.source == ip("10.0.0.10"));
  CHECK(v4.matched == prefix("172.16.1.0/24"));
  CHECK(v4.protocol == 116);
  CHECK(v4.metric == 77);
  CHECK(v4.mtu == 1400);
  CHECK(v4.table == RT_TABLE_MAIN);

  const auto v6 = look("fd16:0:0:1::5");
  CHECK(v6.verdict == RouteVerdict::unicast);
  CHECK(v6.link == "left");
  CHECK(v6.via == ip("fd10::20"));
  CHECK(v6.source == ip("fd10::10"));
  CHECK(v6.matched == prefix("fd16:0:0:1::/64"));
  CHECK(v6.metric == 78);
}

TEST_CASE("an IPv4 route may have an IPv6 next hop, and another table may decide") {
  const auto sandbox = makeRouter();
  if (!sandbox) return;
  sh("ip route add 172.16.1.0/24 via inet6 fd10::20 dev left");
  sh("ip route add 172.16.2.0/24 via 10.0.0.30 table 200; ip rule add to 172.16.2.0/24 table 200");
  CHECK(look("172.16.1.5").via == ip("fd10::20"));
  CHECK(look("172.16.2.5").via == ip("10.0.0.30"));
  CHECK(look("172.16.2.5").table == 200);
}

TEST_CASE("a destination on the link has no next hop, and the default route matches last") {
  const auto sandbox = makeRouter();
  if (!sandbox) return;
  CHECK(look("172.16.0.7").link == "right");
  CHECK_FALSE(look("172.16.0.7").via.has_value());
  CHECK(look("172.16.0.7").protocol == RTPROT_KERNEL);
  CHECK(look("9.9.9.9").verdict == RouteVerdict::none);
  CHECK(look("fd99::1").verdict == RouteVerdict::none);
  sh("ip route add default via 10.0.0.1; ip -6 route add default via fd10::1");
  CHECK(look("9.9.9.9").matched == prefix("0.0.0.0/0"));
  CHECK(look("fd99::1").matched == prefix("::/0"));
}

TEST_CASE("an own address is local, on the link that carries it") {
  const auto sandbox = makeRouter();
  if (!sandbox) return;
  for (const char* address : {"172.16.0.1", "fd16::1"}) {
    CHECK(look(address).verdict == RouteVerdict::local);
    CHECK(look(address).link == "right");
  }
  CHECK(lookForwarded("172.16.0.7", "10.0.0.10", "right").verdict == RouteVerdict::local);
  CHECK(look("172.16.0.255").verdict == RouteVerdict::group);
}

TEST_CASE("a route that drops is named") {
  const auto sandbox = makeRouter();
  if (!sandbox) return;
  sh(R"(ip route add blackhole 172.16.0.0/16; ip route add blackhole 172.16.2.0/24 proto 116
        ip route add unreachable 172.16.3.0/24; ip route add prohibit 172.16.4.0/24
        ip -6 route add blackhole fd16:2::/32; ip -6 route add unreachable fd16:3::/32)");
  const auto check = [](const RouteAnswer& answer, RouteVerdict verdict, const char* matched) {
    CHECK(answer.verdict == verdict);
    CHECK(answer.matched == prefix(matched));
  };
  check(look("172.16.2.5"), RouteVerdict::blackhole, "172.16.2.0/24");
  CHECK(look("172.16.2.5").protocol == 116);
  check(look("172.16.3.5"), RouteVerdict::unreachable, "172.16.3.0/24");
  check(look("172.16.4.5"), RouteVerdict::prohibit, "172.16.4.0/24");
  check(look("fd16:2::5"), RouteVerdict::blackhole, "fd16:2::/32");
  check(look("fd16:3::5"), RouteVerdict::unreachable, "fd16:3::/32");
  check(lookForwarded("172.16.0.7", "172.16.2.5", "right"), RouteVerdict::blackhole, "172.16.2.0/24");
  check(lookForwarded("172.16.0.7", "172.16.3.5", "right"), RouteVerdict::unreachable, "172.16.3.0/24");
  check(lookForwarded("172.16.0.7", "172.16.4.5", "right"), RouteVerdict::prohibit, "172.16.4.0/24");
}

TEST_CASE("a forwarded packet is refused where forwarding is off or its source comes in the wrong way") {
  const auto sandbox = makeRouter();
  if (!sandbox) return;
  sh("ip route add default via 10.0.0.1");
  CHECK(lookForwarded("172.16.0.7", "9.9.9.9", "right").verdict == RouteVerdict::unicast);
  sh("sysctl -qw net.ipv4.conf.all.rp_filter=1");
  CHECK(lookForwarded("172.16.0.7", "9.9.9.9", "right").verdict == RouteVerdict::unicast);
  CHECK(lookForwarded("10.0.0.7", "9.9.9.9", "right").verdict == RouteVerdict::refusedSource);
  CHECK(lookForwarded("172.16.0.1", "9.9.9.9", "right").verdict == RouteVerdict::refusedSource);
  sh("sysctl -qw net.ipv4.conf.right.forwarding=0");
  CHECK(lookForwarded("172.16.0.7", "9.9.9.9", "right").verdict == RouteVerdict::notForwarding);
}

TEST_CASE("an interface that is not there is an error with its name") {
  const auto sandbox = makeRouter();
  if (!sandbox) return;
  const auto answer = lookUpRoute({.dst = ip("9.9.9.9"), .src = ip("10.0.0.7"), .iif = "gone"});
  REQUIRE_FALSE(answer);
  CHECK(answer.error().text.find("interface gone") != std::string::npos);
}
