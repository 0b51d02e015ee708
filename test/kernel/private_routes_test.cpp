// SPDX-License-Identifier: Apache-2.0
#include "kernel/private_routes.hpp"

#include <algorithm>

#include <doctest/doctest.h>

#include "sandbox.hpp"

using namespace twill;
using test::sh;

namespace {

Prefix prefix(const char* text) {
  return Prefix::parse(text).value();
}
IpAddress ip(const char* text) {
  return IpAddress::parse(text).value();
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

PrivateRoutes open() {
  auto routes = PrivateRoutes::open({.learned = 177, .announced = 178, .placeholder = "twill-bgp"});
  REQUIRE(routes);
  return std::move(*routes);
}

std::string table(int number) {
  return sh("ip route show table " + std::to_string(number) +
            " 2>/dev/null || true; ip -6 route show table " + std::to_string(number) +
            " 2>/dev/null || true");
}

/// As BIRD writes them.
constexpr const char* kLearn = R"(
    ip route add 10.244.2.0/24 via 10.0.0.2 dev twill-bgp onlink table 177 proto bird metric 32 window 3000000001 &&
    ip -6 route add fd44:0:0:2::/64 via fd74:7769:6c6c::a00:2 dev twill-bgp onlink table 177 proto bird metric 32 window 7)";

}  // namespace

TEST_CASE("what is announced is exactly that, in both families, and others' routes stay") {
  const auto sandbox = test::Sandbox::make();
  if (!sandbox) return;
  PrivateRoutes routes = open();
  CHECK(routes.announced().value().empty());
  sh("ip route add blackhole 10.9.0.0/24 proto static table 178");
  const std::vector<Prefix> two{prefix("10.244.1.0/24"), prefix("fd44:0:0:1::/64")};
  REQUIRE(routes.announce(two));
  CHECK(routes.announced().value() == two);
  CHECK(has(table(178), "blackhole 10.244.1.0/24 proto 116"));
  CHECK(has(table(178), "blackhole fd44:0:0:1::/64 dev lo proto 116"));
  CHECK(table(254).find("244") == std::string::npos);

  const std::string before = table(178);
  REQUIRE(routes.announce(two));
  CHECK(table(178) == before);
  REQUIRE(routes.announce({prefix("10.244.3.0/24"), prefix("fd44:0:0:1::/64")}));
  CHECK_FALSE(has(table(178), "10.244.1.0"));
  CHECK(has(table(178), "10.244.3.0/24"));
  REQUIRE(routes.announce({}));
  CHECK(routes.announced().value().empty());
  CHECK(has(table(178), "blackhole 10.9.0.0/24 proto static"));
}

TEST_CASE("an announcement that somebody deletes is made again by the next call") {
  const auto sandbox = test::Sandbox::make();
  if (!sandbox) return;
  PrivateRoutes routes = open();
  REQUIRE(routes.announce({prefix("10.244.1.0/24"), prefix("10.244.9.0/24")}));
  sh("ip route del blackhole 10.244.1.0/24 table 178");
  REQUIRE(routes.announced().value().size() == 1);
  REQUIRE(routes.announce({prefix("10.244.1.0/24"), prefix("10.244.9.0/24")}));
  CHECK(routes.announced().value().size() == 2);
}

TEST_CASE("learned routes are read with next hop and mark, from their table alone") {
  const auto sandbox = test::Sandbox::make();
  if (!sandbox) return;
  PrivateRoutes routes = open();
  REQUIRE(routes.makePlaceholder());
  CHECK(routes.learned().value().empty());
  sh(kLearn);
  sh(R"(ip route add 10.244.3.0/24 via 10.0.0.3 dev twill-bgp onlink table 178
        ip route add blackhole 10.244.4.0/24 table 177
        ip route add 10.244.5.0/24 dev twill-bgp table 177)");
  CHECK(routes.learned().value() ==
        std::vector<PrivateRoutes::Learned>{{prefix("10.244.2.0/24"), ip("10.0.0.2"), 3000000001},
                                            {prefix("fd44:0:0:2::/64"), ip("fd74:7769:6c6c::a00:2"), 7}});
}

TEST_CASE("of several routes to one prefix the lowest metric's is read") {
  const auto sandbox = test::Sandbox::make();
  if (!sandbox) return;
  PrivateRoutes routes = open();
  REQUIRE(routes.makePlaceholder());
  sh(R"(ip route add 10.244.2.0/24 via 10.0.0.3 dev twill-bgp onlink table 177 metric 40
        ip route add 10.244.2.0/24 via 10.0.0.2 dev twill-bgp onlink table 177 metric 32 window 7
        ip route add 10.244.2.0/24 via 10.0.0.4 dev twill-bgp onlink table 177 metric 33)");
  CHECK(routes.learned().value() ==
        std::vector<PrivateRoutes::Learned>{{prefix("10.244.2.0/24"), ip("10.0.0.2"), 7}});
}

TEST_CASE("only what happens to these tables or the placeholder is worth a look") {
  const auto sandbox = test::Sandbox::make();
  if (!sandbox) return;
  PrivateRoutes routes = open();
  REQUIRE(routes.makePlaceholder());
  const auto after = [&routes](const char* command) {
    sh(command);
    return routes.drain();
  };
  (void)routes.drain();
  CHECK_FALSE(routes.drain());
  CHECK_FALSE(
      after("ip link add other type veth peer name other1; ip link set other up; ip link set other1 up; ip "
            "address add 10.0.0.1/24 dev other"));
  CHECK_FALSE(after("ip route add 10.1.0.0/16 via 10.0.0.9; ip -6 route add fd01::/64 dev other"));
  CHECK_FALSE(after("ip route add blackhole 10.244.1.0/24 table 179"));
  CHECK(after("ip route add 10.244.2.0/24 via 10.0.0.2 dev twill-bgp onlink table 177"));
  CHECK(after("ip route replace 10.244.2.0/24 via 10.0.0.3 dev twill-bgp onlink table 177"));
  CHECK(after("ip route del 10.244.2.0/24 table 177"));
  CHECK(after("ip -6 route add fd44::/64 via fd74::2 dev twill-bgp onlink table 177"));
  CHECK(after("ip route add blackhole 10.244.1.0/24 table 178"));
  CHECK(after("ip -6 route add blackhole fd44::/64 table 178"));
  CHECK(after("ip link set twill-bgp down"));
  CHECK_FALSE(routes.drain());
  CHECK(after("ip link del twill-bgp"));
}

TEST_CASE("the placeholder is made, and taken up again with the routes that it had") {
  const auto sandbox = test::Sandbox::make();
  if (!sandbox) return;
  PrivateRoutes routes = open();
  REQUIRE(routes.makePlaceholder());
  const auto shown = [] { return sh("ip -d link show twill-bgp"); };
  CHECK(has(shown(), "bridge"));
  CHECK(has(shown(), ",UP"));
  const std::string before =
      sh("cat /sys/class/net/twill-bgp/ifindex 2>/dev/null || ip -o link show twill-bgp");
  REQUIRE(routes.makePlaceholder());
  CHECK(sh("cat /sys/class/net/twill-bgp/ifindex 2>/dev/null || ip -o link show twill-bgp") == before);
  sh("ip link set twill-bgp down");
  REQUIRE(routes.makePlaceholder());
  CHECK(has(shown(), ",UP"));
  sh("ip link del twill-bgp");
  REQUIRE(routes.makePlaceholder());
  sh(kLearn);
  CHECK(routes.learned().value().size() == 2);
}

TEST_CASE("a link of the placeholder's name that is no bridge is refused by name, and stays as it is") {
  const auto sandbox = test::Sandbox::make();
  if (!sandbox) return;
  PrivateRoutes routes = open();
  sh("ip link add twill-bgp type veth peer name other");
  const auto made = routes.makePlaceholder();
  REQUIRE_FALSE(made);
  CHECK(has(made.error().text, "twill-bgp"));
  CHECK_FALSE(has(sh("ip link show twill-bgp"), ",UP"));
  REQUIRE(routes.clear());
  CHECK(has(sh("ip -d link show twill-bgp"), "veth"));
}

TEST_CASE("clear takes out what is Twill's, says what it was, and leaves what others have in these tables") {
  const auto sandbox = test::Sandbox::make();
  if (!sandbox) return;
  PrivateRoutes routes = open();
  CHECK(routes.clear().value().empty());
  REQUIRE(routes.makePlaceholder());
  REQUIRE(routes.announce({prefix("10.244.1.0/24"), prefix("fd44:0:0:1::/64")}));
  sh(kLearn);
  sh(R"(ip route add 10.244.2.0/24 via 10.0.0.9 dev twill-bgp onlink table 177 metric 99
        ip link add other type bridge && ip link set other up
        ip route add 10.7.0.0/24 via 192.0.2.1 dev other onlink table 177
        ip route add blackhole 10.8.0.0/24 proto static table 178
        ip route add blackhole 10.9.0.0/24 table 179)");
  CHECK(routes.learned().value().size() == 2);
  const auto removed = routes.clear();
  REQUIRE(removed);
  CHECK(removed->size() == 6);
  CHECK(std::find(removed->begin(), removed->end(), "route 10.244.1.0/24 in table 178") != removed->end());
  CHECK(std::find(removed->begin(), removed->end(), "route fd44:0:0:2::/64 in table 177") != removed->end());
  CHECK(removed->back() == "link twill-bgp");
  CHECK_FALSE(has(table(177), "244"));
  CHECK_FALSE(has(table(178), "244"));
  CHECK(has(table(177), "10.7.0.0/24"));
  CHECK(has(table(178), "10.8.0.0/24"));
  CHECK(has(table(179), "10.9.0.0/24"));
  CHECK_FALSE(has(sh("ip link"), "twill-bgp"));
  CHECK(routes.clear().value().empty());
}
