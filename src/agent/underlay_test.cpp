// SPDX-License-Identifier: Apache-2.0
#include "agent/underlay.hpp"

#include <doctest/doctest.h>

using namespace twill;

namespace {

/// eth0 10.0.0.10/24 with the default route, eth1 192.168.7.5/24 and fd07::5/64, our own bridge.
KernelState node() {
  KernelState state;
  auto link = [&](const char* name, const char* alias) {
    state.links[name] = Link{.name = name, .alias = alias, .mtu = 1500};
  };
  auto address = [&](const char* name, const char* text, std::uint8_t protocol = 0) {
    Address value{.link = name, .address = *InterfaceAddress::parse(text), .protocol = protocol};
    state.addresses[{name, value.address}] = value;
  };
  link("eth0", "");
  link("eth1", "");
  link("twill0", "twill:bridge");
  address("eth0", "10.0.0.10/24");
  address("eth1", "192.168.7.5/24");
  address("eth1", "fe80::5/64");
  address("eth1", "fd07::5/64");
  address("twill0", "172.16.0.1/24", kProtocol);
  state.routes[{*Prefix::parse("0.0.0.0/0"), 100}] =
      Route{.dst = *Prefix::parse("0.0.0.0/0"), .metric = 100, .link = "eth0", .protocol = 3};
  return state;
}

Result<std::string> noRoute(const IpAddress& address) {
  return fail("no route to " + address.text());
}

std::string chosen(const UnderlayRules& rules) {
  auto choice = chooseUnderlay(node(), rules, noRoute);
  return choice ? choice->underlay.link : choice.error().text;
}

}  // namespace

TEST_CASE("with nothing given the default route decides") {
  auto choice = chooseUnderlay(node(), {}, noRoute);
  REQUIRE(choice);
  CHECK(choice->underlay.link == "eth0");
  CHECK(choice->publicIp->text() == "10.0.0.10");
  CHECK(choice->notices.empty());
}

TEST_CASE("an IPv6 link-local address is never what peers are told") {
  KernelState state = node();
  state.addresses.erase({"eth1", *InterfaceAddress::parse("fd07::5/64")});
  const UnderlayRules rules{.ifaces = {"eth1"}, .needV6 = true};
  auto choice = chooseUnderlay(state, rules, noRoute);
  REQUIRE_FALSE(choice);
  CHECK(choice.error().text.find("eth1") != std::string::npos);
  CHECK(chooseUnderlay(node(), rules, noRoute)->publicIp6->text() == "fd07::5");
}

TEST_CASE("a second default route is named") {
  KernelState state = node();
  state.routes[{*Prefix::parse("0.0.0.0/0"), 200}] =
      Route{.dst = *Prefix::parse("0.0.0.0/0"), .metric = 200, .link = "eth1", .protocol = 3};
  auto choice = chooseUnderlay(state, {}, noRoute);
  REQUIRE(choice);
  CHECK(choice->underlay.link == "eth0");
  REQUIRE(choice->notices.size() == 1);
  CHECK(choice->notices[0].find("not eth1 (metric 200)") != std::string::npos);
}

TEST_CASE("two default routes of one metric are named, unless --iface decides") {
  KernelState state = node();
  state.routes.begin()->second.otherLink = "eth1";
  auto choice = chooseUnderlay(state, {}, noRoute);
  REQUIRE(choice);
  REQUIRE(choice->notices.size() == 1);
  CHECK(choice->notices[0] ==
        "two default routes have the same metric 100: using eth0, not eth1; --iface decides");
  CHECK(chooseUnderlay(state, {.ifaces = {"eth0"}}, noRoute)->notices.empty());
}

TEST_CASE("an interface is found by name, by address, by pattern and by route, in flannel's order") {
  CHECK(chosen({.ifaces = {"eth9", "eth1"}}) == "eth1");
  CHECK(chosen({.ifaces = {"192.168.7.5"}}) == "eth1");
  CHECK(chosen({.ifaceRegexes = {"^192\\.168\\."}}) == "eth1");
  CHECK(chosen({.ifaceRegexes = {"eth[1-9]"}}) == "eth1");
  CHECK(chosen({.publicIp = *IpAddress::parse("192.168.7.5")}) == "eth1");
  UnderlayRules reach{.canReach = *IpAddress::parse("9.9.9.9")};
  auto choice = chooseUnderlay(node(), reach, [](const IpAddress&) -> Result<std::string> { return "eth1"; });
  CHECK(choice->underlay.link == "eth1");
}

TEST_CASE("an interface that has no address of the network's family does not fit: the next one is tried") {
  KernelState state = node();
  state.links["eth2"] = Link{.name = "eth2", .mtu = 1500};
  auto link = [&](const UnderlayRules& rules) {
    auto choice = chooseUnderlay(state, rules, noRoute);
    return choice ? choice->underlay.link : choice.error().text;
  };
  CHECK(link({.ifaces = {"eth2", "eth1"}}) == "eth1");
  CHECK(link({.ifaceRegexes = {"eth2", "eth1"}}) == "eth1");
  CHECK(link({.ifaces = {"eth0", "eth1"}, .needV6 = true}) == "eth1");
  CHECK(link({.ifaces = {"eth2"}}).find("eth2 (--iface eth2) has no IPv4 address") != std::string::npos);
}

TEST_CASE("our own links are never the underlay") {
  CHECK(chosen({.ifaceRegexes = {"twill", "172.16"}}).find("no interface matches") != std::string::npos);
  CHECK(chosen({.ifaces = {"twill0"}}).find("--iface twill0: twill0 is Twill's own") != std::string::npos);
  CHECK(chosen({.ifaces = {"twill0", "eth1"}}) == "eth1");
  auto reached = chooseUnderlay(node(), {.canReach = *IpAddress::parse("172.16.0.5")},
                                [](const IpAddress&) -> Result<std::string> { return "twill0"; });
  CHECK_FALSE(reached);
}

TEST_CASE("an error names what was tried, why it did not fit, and what there is") {
  std::string error = chosen({.ifaces = {"eth9"}, .ifaceRegexes = {"wlan"}});
  CHECK(error ==
        "no underlay interface: --iface eth9: no such interface or address; --iface-regex wlan: no interface "
        "matches; this node has eth0, eth1");
  CHECK(chosen({.ifaceRegexes = {"("}}).find("not a regular expression") != std::string::npos);
  UnderlayRules six{.ifaces = {"eth0"}, .needV6 = true};
  CHECK(chosen(six).find("eth0 (--iface eth0) has no IPv6 address") != std::string::npos);
  KernelState bare = node();
  bare.routes.clear();
  CHECK(chooseUnderlay(bare, {}, noRoute).error().text.find("--iface") != std::string::npos);
}

TEST_CASE("of several addresses the one that peers know is kept, and a single one comes last") {
  KernelState state = node();
  for (const char* text : {"10.0.0.5/24", "10.0.0.2/32"}) {
    Address address{.link = "eth0", .address = *InterfaceAddress::parse(text), .protocol = 0};
    state.put(address);
  }
  CHECK(chooseUnderlay(state, {}, noRoute)->publicIp->text() == "10.0.0.5");
  for (const char* held : {"10.0.0.10", "10.0.0.2"}) {
    CHECK(chooseUnderlay(state, {.held = *IpAddress::parse(held)}, noRoute)->publicIp->text() == held);
  }
  CHECK(chooseUnderlay(state, {.held = *IpAddress::parse("10.0.0.77")}, noRoute)->publicIp->text() ==
        "10.0.0.5");
}

TEST_CASE("a global address is preferred to a link-local one, an override to both") {
  auto choice = chooseUnderlay(node(), {.ifaces = {"eth1"}, .needV6 = true}, noRoute);
  CHECK(choice->publicIp6->text() == "fd07::5");
  auto behindNat =
      chooseUnderlay(node(), {.ifaces = {"eth0"}, .publicIp = *IpAddress::parse("203.0.113.9")}, noRoute);
  CHECK(behindNat->publicIp->text() == "203.0.113.9");
  CHECK(behindNat->underlay.v4->text() == "10.0.0.10/24");
}
