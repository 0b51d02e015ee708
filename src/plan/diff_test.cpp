// SPDX-License-Identifier: Apache-2.0
#include "plan/diff.hpp"

#include <doctest/doctest.h>

#include "plan/samples.hpp"

using namespace twill;
using namespace twill::samples;

namespace {

const KernelState kEmpty;
constexpr const char* kMac = "0a:58:ac:10:00:02";

Firewall firewall() {
  Firewall table;
  table.chains["postrouting"] = {"type nat hook postrouting priority srcnat", {"return", "masquerade"}};
  table.sets["cluster4"] = {"ipv4_addr", "interval", {"172.16.0.0/16"}};
  table.owner = "node";
  return table;
}

/// How the kernel gives the same table back.
Firewall readBack(Firewall table) {
  for (auto& [name, chain] : table.chains) {
    for (auto& rule : chain.rules) rule = ruleId(rule);
  }
  return table;
}

/// One of everything, in both families.
KernelState fullNode() {
  auto out = state(setting("net/ipv4/ip_forward", "1"), bridge("twill0"), port("tw1"),
                   address("twill0", "172.16.0.1/24"), address("twill0", "fd42::1/64"),
                   neighbour("twill0", "172.16.0.2", kMac), neighbour("twill0", "fd42::2", kMac),
                   route("172.16.1.0/24", "10.0.0.20", "eth0"), route("fd42:1::/64", "fd00::20", "eth0"),
                   route("172.16.0.9/32", "", "tw1"));
  out.put(firewall());
  return out;
}

KernelState asActual(KernelState wanted) {
  for (auto& [name, table] : wanted.firewalls) table = readBack(table);
  return wanted;
}

}  // namespace

TEST_CASE("an empty kernel gets everything, in an order that it accepts") {
  CHECK(text(diff(fullNode(), kEmpty)) ==
        "add setting net/ipv4/ip_forward = 1\n"
        "add firewall table inet twill\n"
        "add bridge twill0\n"
        "add veth tw1\n"
        "add address 172.16.0.1/24 dev twill0\n"
        "add address fd42::1/64 dev twill0\n"
        "add neighbour 172.16.0.2 lladdr 0a:58:ac:10:00:02 dev twill0\n"
        "add neighbour fd42::2 lladdr 0a:58:ac:10:00:02 dev twill0\n"
        "add route 172.16.0.9/32 dev tw1\n"
        "add route 172.16.1.0/24 via 10.0.0.20 dev eth0\n"
        "add route fd42:1::/64 via fd00::20 dev eth0\n");
}

TEST_CASE("what is there already is left alone") {
  CHECK(text(diff(fullNode(), asActual(fullNode()))).empty());
}

TEST_CASE("what is ours and not wanted goes, in the opposite order, and settings stay") {
  CHECK(text(diff(kEmpty, asActual(fullNode()))) ==
        "remove route 172.16.1.0/24 via 10.0.0.20 dev eth0\n"
        "remove route fd42:1::/64 via fd00::20 dev eth0\n"
        "remove veth tw1\n"
        "remove bridge twill0\n"
        "remove firewall table inet twill\n");
}

TEST_CASE("entries on a link that stays are removed one by one") {
  auto wanted = state(bridge("twill0"), port("tw1"));
  CHECK(text(diff(wanted, asActual(fullNode()))) ==
        "remove route 172.16.1.0/24 via 10.0.0.20 dev eth0\n"
        "remove route fd42:1::/64 via fd00::20 dev eth0\n"
        "remove route 172.16.0.9/32 dev tw1\n"
        "remove neighbour 172.16.0.2 lladdr 0a:58:ac:10:00:02 dev twill0\n"
        "remove neighbour fd42::2 lladdr 0a:58:ac:10:00:02 dev twill0\n"
        "remove address 172.16.0.1/24 dev twill0\n"
        "remove address fd42::1/64 dev twill0\n"
        "remove firewall table inet twill\n");
}

TEST_CASE("foreign objects are never removed") {
  auto actual =
      state(foreignLink("eth0"), address("eth0", "10.0.0.10/24", 0), bridge("twill0"),
            address("twill0", "172.16.0.77/24", 0), foreignRoute(route("172.16.9.0/24", "10.0.0.9", "eth0")));
  auto entry = neighbour("eth0", "10.0.0.9", kMac);
  entry.protocol = 4;
  actual.put(entry);
  CHECK(text(diff(state(bridge("twill0")), actual)).empty());
}

TEST_CASE("each part of a link that differs is a change, and an empty optional is not") {
  auto actual = port("tw1");
  actual.mtu = 1500;
  actual.mac = *MacAddress::parse(kMac);
  actual.hairpin = false;
  actual.index = 7;
  auto kernel = state(bridge("twill0"), actual);
  const auto change = [&](auto edit) {
    auto wanted = port("tw1");
    edit(wanted);
    return text(diff(state(bridge("twill0"), wanted), kernel));
  };
  CHECK(change([](Link&) {}).empty());
  CHECK(change([](Link& link) { link.master.reset(); }).empty());
  CHECK(change([](Link& link) { link.hairpin = false; }).empty());
  const std::string changed = "change veth tw1\n";
  CHECK(change([](Link& link) { link.up = false; }) == changed);
  CHECK(change([](Link& link) { link.mtu = 1400; }) == changed);
  CHECK(change([](Link& link) { link.mac = *MacAddress::parse("0a:00:00:00:00:01"); }) == changed);
  CHECK(change([](Link& link) { link.master = ""; }) == changed);
  CHECK(change([](Link& link) { link.hairpin = true; }) == changed);
  CHECK(change([](Link& link) { link.alias = "twill:other"; }) == changed);
}

TEST_CASE("a link's name in foreign hands is an obstacle for it and for all that stands on it") {
  auto wanted = state(bridge("twill0"), port("tw1"), address("twill0", "172.16.0.1/24"),
                      route("172.16.0.9/32", "", "tw1"), setting("net/ipv6/conf/twill0/accept_ra", "0"));
  CHECK(text(diff(wanted, state(foreignLink("twill0", LinkKind::bridge)))) ==
        "! node: bridge twill0 cannot be made: the name is taken by a bridge without an alias that starts "
        "with \"twill:\", so not Twill's; rename it or delete it\n"
        "! net/c1/eth0: veth tw1 has no bridge: bridge twill0 is not Twill's; rename it or delete it\n");
}

TEST_CASE("a VXLAN device of others with the same VNI and port is an obstacle that names it") {
  const auto device = [](const char* name, std::uint32_t vni, std::uint16_t port, const char* alias) {
    Link link = foreignLink(name, LinkKind::vxlan);
    link.alias = alias;
    link.vxlan = Vxlan{.vni = vni, .port = port, .underlay = "eth0", .local = *IpAddress::parse("10.0.0.10")};
    return link;
  };
  const auto wanted = state(device("twill-vx1", 1, 8472, "twill:vxlan"));
  CHECK(text(diff(wanted, state(device("flannel.1", 1, 8472, "")))) ==
        "! : vxlan twill-vx1 cannot be made: vxlan flannel.1 has VNI 1 at UDP port 8472, and is not "
        "Twill's; "
        "delete it, or choose another VNI for the cluster\n");
  CHECK(text(diff(wanted, state(device("flannel.2", 2, 8472, "")))) == "add vxlan twill-vx1\n");
  CHECK(text(diff(wanted, state(device("flannel.1", 1, 4789, "")))) == "add vxlan twill-vx1\n");
}

TEST_CASE("a link of ours with the wrong kind is made anew, with all that stood on it") {
  auto wrong = foreignLink("twill0");
  wrong.alias = "twill:node";
  auto wanted = state(bridge("twill0"), address("twill0", "172.16.0.1/24"));
  auto actual = state(wrong, address("twill0", "172.16.0.1/24"), address("twill0", "172.16.7.1/24"));
  CHECK(text(diff(wanted, actual)) ==
        "remove link twill0\n"
        "add bridge twill0\n"
        "add address 172.16.0.1/24 dev twill0\n");
}

TEST_CASE("what a stale picture shows on a link that is gone is made again") {
  auto wanted = state(port("tw1"), route("172.16.0.9/32", "", "tw1"), neighbour("tw1", "172.16.0.9", kMac));
  auto actual = wanted;
  actual.links.clear();
  CHECK(text(diff(wanted, actual)) ==
        "add veth tw1\n"
        "add neighbour 172.16.0.9 lladdr 0a:58:ac:10:00:02 dev tw1\n"
        "add route 172.16.0.9/32 dev tw1\n");
}

TEST_CASE("a setting is changed when it differs, and tried when nobody read it") {
  auto wanted = state(setting("net/ipv4/ip_forward", "1"));
  CHECK(text(diff(wanted, state(setting("net/ipv4/ip_forward", "0")))) ==
        "change setting net/ipv4/ip_forward = 1\n");
  CHECK(text(diff(wanted, kEmpty)) == "add setting net/ipv4/ip_forward = 1\n");
}

TEST_CASE("an interface's settings wait until it is made") {
  auto wanted =
      state(port("tw1"), setting("net/ipv4/conf/tw1/proxy_arp", "1"), setting("net/ipv4/ip_forward", "1"));
  CHECK(text(diff(wanted, kEmpty)) ==
        "add setting net/ipv4/ip_forward = 1\n"
        "add veth tw1\n"
        "add setting net/ipv4/conf/tw1/proxy_arp = 1\n");
}

TEST_CASE("an address that stands on another link is an obstacle that names the link") {
  auto wanted = state(bridge("twill0"), address("twill0", "172.16.0.1/24"));
  auto actual = state(bridge("twill0"), address("eth1", "172.16.0.1/16", 0));
  CHECK(text(diff(wanted, actual)) ==
        "! node: address 172.16.0.1/24 dev twill0 cannot be had: address 172.16.0.1/16 dev eth1 is there, "
        "which is not Twill's; remove one of the two\n");
}

TEST_CASE("an address of ours moves from one link to another") {
  auto wanted = state(bridge("twill0"), bridge("twill1"), address("twill1", "172.16.0.1/24"));
  auto actual = state(bridge("twill0"), bridge("twill1"), address("twill0", "172.16.0.1/24"));
  CHECK(text(diff(wanted, actual)) ==
        "add address 172.16.0.1/24 dev twill1\n"
        "remove address 172.16.0.1/24 dev twill0\n");
}

TEST_CASE("the same link-local address may be on many links") {
  auto wanted = state(bridge("twill0"), address("twill0", "fe80::1/64"));
  CHECK(text(diff(wanted, state(bridge("twill0"), address("eth0", "fe80::1/64", 0)))) ==
        "add address fe80::1/64 dev twill0\n");
}

TEST_CASE("an address gets another length: IPv6 removes first, IPv4 last") {
  auto actual = state(bridge("twill0"), address("twill0", "172.16.0.1/24"), address("twill0", "fd42::1/64"));
  auto wanted = state(bridge("twill0"), address("twill0", "172.16.0.1/16"), address("twill0", "fd42::1/48"));
  CHECK(text(diff(wanted, actual)) ==
        "add address 172.16.0.1/16 dev twill0\n"
        "remove address fd42::1/64 dev twill0\n"
        "add address fd42::1/48 dev twill0\n"
        "remove address 172.16.0.1/24 dev twill0\n");
}

TEST_CASE("a neighbour with another MAC is changed when it is ours, else an obstacle") {
  auto wanted = state(neighbour("eth0", "10.0.0.20", kMac));
  auto entry = neighbour("eth0", "10.0.0.20", "0a:00:00:00:00:01");
  CHECK(text(diff(wanted, state(entry))) == "change neighbour 10.0.0.20 lladdr 0a:58:ac:10:00:02 dev eth0\n");
  entry.protocol = 0;
  CHECK(text(diff(wanted, state(entry))) ==
        "! node2: neighbour 10.0.0.20 lladdr 0a:58:ac:10:00:02 dev eth0 cannot be had: neighbour 10.0.0.20 "
        "lladdr 0a:00:00:00:00:01 dev eth0 is there, which is not Twill's; delete it\n");
}

TEST_CASE("a route is changed in place, and a new metric is added before the old one goes") {
  auto actual = state(route("172.16.1.0/24", "10.0.0.20", "eth0", 5));
  CHECK(text(diff(state(route("172.16.1.0/24", "10.0.0.30", "eth0", 5)), actual)) ==
        "change route 172.16.1.0/24 via 10.0.0.30 dev eth0 metric 5\n");
  CHECK(text(diff(state(route("172.16.1.0/24", "10.0.0.20", "eth0", 6)), actual)) ==
        "add route 172.16.1.0/24 via 10.0.0.20 dev eth0 metric 6\n"
        "remove route 172.16.1.0/24 via 10.0.0.20 dev eth0 metric 5\n");
}

TEST_CASE("an IPv6 route without a metric is the one that the kernel files under 1024") {
  auto actual = state(route("fd42:1::/64", "fd00::20", "eth0", 1024));
  CHECK(text(diff(state(route("fd42:1::/64", "fd00::20", "eth0")), actual)).empty());
}

TEST_CASE("a foreign route with the same key stays, and is reported by name") {
  auto foreign = foreignRoute(route("172.16.1.0/24", "10.0.0.99", "eth0", 5));
  CHECK(
      text(diff(state(route("172.16.1.0/24", "10.0.0.20", "eth0", 5)), state(foreign))) ==
      "! node2: route 172.16.1.0/24 via 10.0.0.20 dev eth0 metric 5 cannot be had: route 172.16.1.0/24 via "
      "10.0.0.99 dev eth0 metric 5 (protocol 4) is there, which is not Twill's; delete it or give it another "
      "metric\n");
}

TEST_CASE("a foreign route with another metric is in the way only if it wins, and ours is added") {
  auto foreign = foreignRoute(route("fd42:1::/64", "fd00::99", "eth0"));
  CHECK(
      text(diff(state(route("fd42:1::/64", "fd00::20", "eth0", 5)), state(foreign))) ==
      "add route fd42:1::/64 via fd00::20 dev eth0 metric 5\n"
      "? node2: route fd42:1::/64 via fd00::20 dev eth0 metric 5 overshadows route fd42:1::/64 via fd00::99 "
      "dev eth0 (protocol 4), which is not Twill's\n");
  CHECK(
      text(diff(state(route("fd42:1::/64", "fd00::20", "eth0", 2000)), state(foreign))) ==
      "add route fd42:1::/64 via fd00::20 dev eth0 metric 2000\n"
      "! node2: route fd42:1::/64 via fd00::20 dev eth0 metric 2000 is overshadowed by route fd42:1::/64 via "
      "fd00::99 dev eth0 (protocol 4), which is not Twill's: traffic takes the other one; delete it or raise "
      "its metric\n");
}

TEST_CASE("the kernel's own route to our bridge's subnet is no rival, one on a foreign link is") {
  auto wanted = state(route("172.16.1.0/24", "10.0.0.20", "eth0", 5));
  auto connected = foreignRoute(route("172.16.1.0/24", "", "twill0"), 2);
  wanted.put(bridge("twill0"));
  CHECK(diff(wanted, state(bridge("twill0"), connected)).obstacles.empty());
  connected.link = "eth1";
  CHECK(diff(wanted, state(bridge("twill0"), connected)).obstacles.size() == 1);
}

TEST_CASE("the firewall is known by its rules' ids, hooks, sets and their elements") {
  KernelState wanted;
  wanted.put(firewall());
  KernelState actual;
  const auto changed = [&](auto edit) {
    Firewall table = firewall();
    edit(table);
    actual.put(readBack(table));
    return text(diff(wanted, actual));
  };
  CHECK(changed([](Firewall&) {}).empty());
  const std::string change = "change firewall table inet twill\n";
  CHECK(changed([](Firewall& table) { table.chains["postrouting"].rules.pop_back(); }) == change);
  CHECK(changed([](Firewall& table) {
          std::swap(table.chains["postrouting"].rules[0], table.chains["postrouting"].rules[1]);
        }) == change);
  CHECK(changed([](Firewall& table) { table.chains["postrouting"].hook = "x"; }) == change);
  CHECK(changed([](Firewall& table) { table.chains["more"] = {}; }) == change);
  CHECK(changed([](Firewall& table) { table.sets["cluster4"].elements.clear(); }) == change);
  CHECK(changed([](Firewall& table) { table.sets.clear(); }) == change);
}

TEST_CASE("a small part is added and removed without touching the rest") {
  auto part = state(port("tw1"), route("172.16.0.9/32", "", "tw1"));
  auto actual = asActual(fullNode());
  CHECK(additions(part, actual).empty());
  CHECK(text(removals(part, actual)) == "remove veth tw1\n");
  actual.links.erase("tw1");
  actual.routes.erase(keyOf(route("172.16.0.9/32", "", "tw1")));
  CHECK(text(additions(part, actual)) ==
        "add veth tw1\n"
        "add route 172.16.0.9/32 dev tw1\n");
  CHECK(removals(part, actual).empty());
}

TEST_CASE("removing a part leaves alone what others own") {
  auto part = fullNode();
  auto actual = state(foreignLink("twill0", LinkKind::bridge),
                      foreignRoute(route("172.16.1.0/24", "10.0.0.99", "eth0")));
  actual.put(readBack(firewall()));
  CHECK(text(removals(part, actual)).empty());
}

TEST_CASE("a removal has the owner of the part, and in a whole difference it is its own") {
  auto actual = state(route("172.16.1.0/24", "10.0.0.20", "eth0"));
  actual.routes.begin()->second.owner.clear();
  CHECK(removals(state(route("172.16.1.0/24", "10.0.0.20", "eth0")), actual).operations.at(0).owner() ==
        "node2");
  CHECK(diff(kEmpty, actual).operations.at(0).owner() == "route 172.16.1.0/24 via 10.0.0.20 dev eth0");
}

TEST_CASE("an element of a set that stands apart is added, changed and removed alone, with its owner") {
  const SetElement mine{
      .table = kTable, .set = "m", .key = "tcp . 80", .data = "10.0.0.2 . 80", .owner = "c1"};
  SetElement other = mine;
  other.key = "tcp . 81";
  other.owner.clear();
  KernelState wanted = state(mine, port("tw1"));
  Firewall table;
  table.sets["m"] = {.type = "inet_proto . inet_service : ipv4_addr . inet_service", .apart = true};
  wanted.put(table);
  CHECK(text(diff(wanted, kEmpty)) ==
        "add firewall table inet twill\n"
        "add element inet twill m { tcp . 80 : 10.0.0.2 . 80 }\n"
        "add veth tw1\n");
  auto actual = state(mine, other, port("tw1"), table);
  CHECK(text(diff(wanted, actual)) == "remove element inet twill m { tcp . 81 : 10.0.0.2 . 80 }\n");
  CHECK(additions(wanted, actual).empty());
  CHECK(text(removals(state(mine), actual)) == "remove element inet twill m { tcp . 80 : 10.0.0.2 . 80 }\n");
  actual.setElements.at(keyOf(mine)).data = "10.0.0.9 . 80";
  const auto change = additions(wanted, actual).operations;
  REQUIRE(change.size() == 1);
  CHECK(describe(change[0]) == "change element inet twill m { tcp . 80 : 10.0.0.2 . 80 }");
  CHECK(change[0].owner() == "c1");
  // With the set, or the whole table, the kernel takes the elements away.
  CHECK(text(diff(kEmpty, state(mine, table))) == "remove firewall table inet twill\n");
  CHECK(text(diff(state(Firewall{}), state(mine, table))) == "change firewall table inet twill\n");
}

TEST_CASE("a piece of a table is satisfied by a table that holds more, a whole one is not") {
  Firewall piece;
  piece.chains["postrouting"] = firewall().chains["postrouting"];
  const auto actual = state(readBack(firewall()));
  CHECK(additions(state(piece), actual).empty());
  CHECK(text(diff(state(piece), actual)) == "change firewall table inet twill\n");
  piece.chains["more"] = {"", {"return"}};
  KernelState both = state(firewall());
  merge(both, state(piece));
  CHECK(both.firewalls.at(kTable).chains.size() == 2);
  CHECK(both.firewalls.at(kTable).sets.size() == 1);
}
