// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "plan/samples.hpp"

using namespace twill;
using namespace twill::samples;

TEST_CASE("every kind of object has a name that people know from iproute2") {
  CHECK(describe(Object(setting("net/ipv4/ip_forward", "1"))) == "setting net/ipv4/ip_forward = 1");
  CHECK(describe(Object(Firewall{})) == "firewall table inet twill");
  CHECK(describe(Object(bridge("twill0"))) == "bridge twill0");
  CHECK(describe(Object(port("tw1"))) == "veth tw1");
  CHECK(describe(Object(foreignLink("eth0"))) == "link eth0");
  CHECK(describe(Object(address("twill0", "fd00::1/64"))) == "address fd00::1/64 dev twill0");
  CHECK(describe(Object(neighbour("twill0", "172.16.0.2", "0a:58:ac:10:00:02"))) ==
        "neighbour 172.16.0.2 lladdr 0a:58:ac:10:00:02 dev twill0");
  CHECK(describe(Object(route("172.16.1.0/24", "10.0.0.20", "eth0"))) ==
        "route 172.16.1.0/24 via 10.0.0.20 dev eth0");
}

TEST_CASE("a route's name holds all that sets it apart") {
  Route full = route("fd42:1::/64", "fd00::20", "eth0", 300);
  full.source = *IpAddress::parse("fd42::1");
  full.mtu = 1450;
  full.onlink = true;
  CHECK(describe(Object(full)) ==
        "route fd42:1::/64 via fd00::20 dev eth0 src fd42::1 metric 300 mtu 1450 onlink");
  Route hole = route("172.16.0.0/16", "", "");
  hole.type = RouteType::blackhole;
  CHECK(describe(Object(hole)) == "route blackhole 172.16.0.0/16");
  hole.type = RouteType::prohibit;
  CHECK(describe(Object(hole)) == "route prohibit 172.16.0.0/16");
  hole.type = RouteType::unreachable;
  CHECK(describe(Object(hole)) == "route unreachable 172.16.0.0/16");
  CHECK(describe(Object(route("0.0.0.0/0", "10.0.0.1", "eth0"))) == "route default via 10.0.0.1 dev eth0");
}

TEST_CASE("IPv6 files a route without a metric under 1024, IPv4 under 0") {
  CHECK(keyOf(route("fd42::/64", "", "eth0")).metric == 1024);
  CHECK(keyOf(route("fd42::/64", "", "eth0", 7)).metric == 7);
  CHECK(keyOf(route("172.16.0.0/24", "", "eth0")).metric == 0);
}

TEST_CASE("a rule's id is short, the same on every run, and another for another rule") {
  CHECK(ruleId("") == "tw-cbf29ce484222325");  // FNV-1a's own starting value
  CHECK(ruleId("a") == "tw-af63dc4c8601ec8c");
  CHECK(ruleId("ip daddr 10.0.0.1 return") != ruleId("ip daddr 10.0.0.2 return"));
}

TEST_CASE("an operation's owner is that of its object") {
  CHECK(Operation{Verb::add, port("tw1")}.owner() == "net/c1/eth0");
  CHECK(Operation{Verb::add, setting("a", "b")}.owner() == "node");
}
