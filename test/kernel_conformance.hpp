// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>

#include "base/fd.hpp"
#include "kernel/kernel.hpp"

/// What the agent counts on from any Kernel. Run against Linux (test/kernel) and against the fake
/// (src/kernel/fake), so that a test with the fake says something about Linux.
namespace twill::conformance {

/// Each begins with a kernel that holds a loopback interface at most.
struct Rule {
  const char* name;
  void (*check)(Kernel& kernel);
};

inline Prefix net(std::string_view text) {
  return *Prefix::parse(text);
}
inline IpAddress ip(std::string_view text) {
  return *IpAddress::parse(text);
}

inline const Interest kInterest{.networks = {net("172.16.0.0/12"), net("fd00::/8")},
                                .sysctls = {"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"}};

inline Link bridge(std::string name = "twill0") {
  Link link;
  link.name = std::move(name);
  link.kind = LinkKind::bridge;
  link.alias = "twill:node";
  link.mac = *MacAddress::parse("0a:58:ac:10:00:01");
  return link;
}

inline Address address(std::string_view text, std::string link = "twill0") {
  return {.link = std::move(link), .address = *InterfaceAddress::parse(text)};
}

inline Neighbour neighbour(std::string_view text) {
  return {.link = "twill0", .address = ip(text), .mac = *MacAddress::parse("0a:58:ac:10:00:09")};
}

inline Route route(std::string_view dst, std::string_view via = "", std::uint32_t metric = 0) {
  Route route;
  route.dst = net(dst);
  if (!via.empty()) route.via = ip(via);
  route.link = "twill0";
  route.metric = metric;
  return route;
}

/// A bridge with addresses, neighbours and routes in both families.
inline KernelState node() {
  KernelState out;
  out.put(Sysctl{.path = "net/ipv4/ip_forward", .value = "1"});
  out.put(Sysctl{.path = "net/ipv6/conf/all/forwarding", .value = "1"});
  out.put(bridge());
  out.put(address("172.16.0.1/24"));
  out.put(address("fd42::1/64"));
  out.put(neighbour("172.16.0.9"));
  out.put(neighbour("fd42::9"));
  out.put(route("172.16.1.0/24", "172.16.0.20", 2001));
  out.put(route("fd42:1::/64", "fd42::20", 2001));
  out.put(route("fd42:2::/64", "fd42::20"));
  out.put(route("172.16.9.9/32"));
  Route hole = route("172.31.0.0/16");
  hole.type = RouteType::blackhole;
  hole.link.clear();
  out.put(hole);
  return out;
}

inline KernelState read(Kernel& kernel) {
  auto state = kernel.read(kInterest);
  REQUIRE_MESSAGE(state, (state ? "" : state.error().text));
  return std::move(*state);
}

inline void mustApply(Kernel& kernel, const std::vector<Operation>& operations) {
  for (const auto& result : kernel.apply(operations)) {
    REQUIRE_MESSAGE(result, (result ? "" : result.error().text));
  }
}

inline Result<void> applyOne(Kernel& kernel, Verb verb, Object object) {
  const Operation operation{verb, std::move(object)};
  return kernel.apply({&operation, 1}).at(0);
}

inline void mustApply(Kernel& kernel, Verb verb, Object object) {
  mustApply(kernel, {{verb, std::move(object)}});
}

/// Waits at most so long; an IPv6 address is notified some time after it was added.
inline bool isNotified(const Kernel& kernel, int milliseconds) {
  pollfd poll{.fd = kernel.notifyFd(), .events = POLLIN, .revents = 0};
  return ::poll(&poll, 1, milliseconds) == 1;
}

/// Another view on the kernel that is tried, for as long as a rule is checked: a read by the one under test
/// would drop notifications that it has yet to follow. None for a fake, which loses nothing.
inline Kernel* witness = nullptr;

inline std::string differences(const KernelState& a, const KernelState& b) {
  std::string out;
  const auto compare = [&](const char* what, bool same) { out += same ? "" : std::string(what) + " "; };
  compare("sysctls", a.sysctls == b.sysctls);
  compare("links", a.links == b.links);
  compare("addresses", a.addresses == b.addresses);
  compare("neighbours", a.neighbours == b.neighbours);
  compare("routes", a.routes == b.routes);
  compare("firewalls", a.firewalls == b.firewalls);
  compare("elements", a.setElements == b.setElements);
  return out;
}

/// Follows the notifications from `state` on; what they lead to is what a new look shows, if not at once (a
/// link that is being removed, or is operational a moment later) then soon.
inline KernelState follow(Kernel& kernel, KernelState state) {
  std::string apart = "never compared";
  for (int attempt = 0; attempt < 100 && !apart.empty(); ++attempt) {
    while (isNotified(kernel, 50)) {
      if (kernel.drain(state, kInterest) == Kernel::Drained::lost) state = read(kernel);
    }
    apart = differences(state, read(witness == nullptr ? kernel : *witness));
  }
  CHECK(apart == "");
  return state;
}

/// Soon nothing more is notified; how many times something still is, is bounded.
inline bool isQuiet(Kernel& kernel, KernelState& state) {
  for (int attempt = 0; attempt < 100; ++attempt) {
    const bool notified = isNotified(kernel, 50);
    if (kernel.drain(state, kInterest) == Kernel::Drained::nothing && !notified) return true;
  }
  return false;
}

inline std::string names(const std::vector<Operation>& operations) {
  std::string out;
  for (const auto& operation : operations) out += describe(operation) + "\n";
  return out;
}

/// A kernel with node() in it, as last read.
inline KernelState settled(Kernel& kernel) {
  mustApply(kernel, diff(node(), read(kernel)).operations);
  return read(kernel);
}

/// What is missing can be put back in one go.
inline void mustHeal(Kernel& kernel, KernelState damaged) {
  mustApply(kernel, diff(node(), damaged).operations);
  CHECK(names(diff(node(), follow(kernel, std::move(damaged))).operations) == "");
}

inline void holdsWhatWasApplied(Kernel& kernel) {
  const auto state = settled(kernel);
  CHECK(names(diff(node(), state).operations) == "");
  CHECK(state.links.at("twill0").index > 0);
  CHECK(state.routes.at({net("fd42:2::/64"), 1024}).metric == 1024);
}

inline void takesTwice(Kernel& kernel) {
  const auto operations = diff(node(), read(kernel)).operations;
  mustApply(kernel, operations);
  mustApply(kernel, operations);
}

inline void removesTwice(Kernel& kernel) {
  const auto state = settled(kernel);
  auto kept = node();
  kept.links.clear();
  const auto operations = removals(kept, state).operations;
  CHECK(operations.size() == 9);
  mustApply(kernel, operations);
  mustApply(kernel, operations);
  const auto end = follow(kernel, state);
  CHECK(end.neighbours.empty());
  CHECK(names(removals(kept, end).operations) == "");
}

inline void notifies(Kernel& kernel) {
  auto state = settled(kernel);
  CHECK(isQuiet(kernel, state));
  mustApply(kernel, Verb::remove, route("172.16.1.0/24", "172.16.0.20", 2001));
  CHECK(isNotified(kernel, 0));
  CHECK(kernel.drain(state, kInterest) == Kernel::Drained::changed);
  CHECK_FALSE(state.routes.contains({net("172.16.1.0/24"), 2001}));
  CHECK(isQuiet(kernel, state));
}

inline void makesConnectedRoutes(Kernel& kernel) {
  const auto state = settled(kernel);
  const auto& v4 = state.routes.at({net("172.16.0.0/24"), 0});
  CHECK(v4.protocol == 2);
  CHECK(v4.source == ip("172.16.0.1"));
  CHECK(state.routes.at({net("fd42::/64"), 256}).protocol == 2);
}

inline void dropsWithADownLink(Kernel& kernel) {
  auto state = settled(kernel);
  auto down = state.links.at("twill0");
  down.up = false;
  mustApply(kernel, Verb::change, down);
  state = follow(kernel, std::move(state));
  CHECK(names(diff(node(), state).operations) ==
        "change bridge twill0\n"
        "add address fd42::1/64 dev twill0\n"
        "add neighbour 172.16.0.9 lladdr 0a:58:ac:10:00:09 dev twill0\n"
        "add neighbour fd42::9 lladdr 0a:58:ac:10:00:09 dev twill0\n"
        "add route 172.16.9.9/32 dev twill0\n"
        "add route 172.16.1.0/24 via 172.16.0.20 dev twill0 metric 2001\n"
        "add route fd42:1::/64 via fd42::20 dev twill0 metric 2001\n"
        "add route fd42:2::/64 via fd42::20 dev twill0\n");
  CHECK_FALSE(state.routes.contains({net("172.16.0.0/24"), 0}));
  mustHeal(kernel, std::move(state));
  CHECK(read(kernel).routes.contains({net("172.16.0.0/24"), 0}));
}

inline void dropsWithAGoneLink(Kernel& kernel) {
  auto state = settled(kernel);
  mustApply(kernel, Verb::remove, state.links.at("twill0"));
  state = follow(kernel, std::move(state));
  CHECK(state.neighbours.empty());
  CHECK(state.routes.size() == 1);  // the blackhole
  mustHeal(kernel, std::move(state));
}

inline void dropsWithTheLastAddress(Kernel& kernel) {
  auto state = settled(kernel);
  mustApply(kernel, Verb::remove, address("172.16.0.1/24"));
  state = follow(kernel, std::move(state));
  CHECK(names(diff(node(), state).operations) ==
        "add address 172.16.0.1/24 dev twill0\n"
        "add neighbour 172.16.0.9 lladdr 0a:58:ac:10:00:09 dev twill0\n"
        "add route 172.16.9.9/32 dev twill0\n"
        "add route 172.16.1.0/24 via 172.16.0.20 dev twill0 metric 2001\n");
  mustHeal(kernel, std::move(state));
}

inline void dropsWithTheSource(Kernel& kernel) {
  auto state = settled(kernel);
  mustApply(kernel, Verb::add, address("172.16.7.1/32"));
  Route sourced = route("172.16.8.0/24");
  sourced.source = ip("172.16.7.1");
  mustApply(kernel, Verb::add, sourced);
  state = follow(kernel, std::move(state));
  CHECK(state.routes.contains(keyOf(sourced)));
  mustApply(kernel, Verb::remove, address("172.16.7.1/32"));
  CHECK_FALSE(follow(kernel, std::move(state)).routes.contains(keyOf(sourced)));
}

inline void forgetsNeighboursOfAnotherMac(Kernel& kernel) {
  auto state = settled(kernel);
  auto other = state.links.at("twill0");
  other.mac = *MacAddress::parse("0a:58:ac:10:00:77");
  mustApply(kernel, Verb::change, other);
  state = follow(kernel, std::move(state));
  CHECK(state.neighbours.empty());
  mustHeal(kernel, std::move(state));
}

/// For the far end of a veth; none where this process may not make one, and then nobody looks at it.
inline Fd otherNamespace() {
  Fd out;
  std::thread([&] {
    if (::unshare(CLONE_NEWNET) == 0) out = Fd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  }).join();
  return out;
}

inline void releasesPorts(Kernel& kernel) {
  const Fd container = otherNamespace();
  mustApply(kernel, Verb::add, bridge());
  Link port;
  port.name = "tw1";
  port.kind = LinkKind::veth;
  port.alias = "twill:net/c1/eth0";
  port.master = "twill0";
  port.hairpin = true;
  port.peer.emplace();
  port.peer->netns = "/proc/self/fd/" + std::to_string(container.get());
  port.peer->name = "con1";
  port.peer->mac = *MacAddress::parse("0a:58:ac:10:00:02");
  mustApply(kernel, Verb::add, port);
  auto state = read(kernel);
  CHECK(state.links.at("tw1").master == "twill0");
  CHECK(state.links.at("tw1").hairpin == true);
  mustApply(kernel, Verb::remove, bridge());
  state = follow(kernel, std::move(state));
  CHECK(state.links.at("tw1").master == "");
  CHECK_FALSE(state.links.at("tw1").hairpin.value_or(false));
}

inline void refusesFarNextHops(Kernel& kernel) {
  settled(kernel);
  const auto v4 = applyOne(kernel, Verb::add, route("172.17.0.0/24", "192.0.2.1"));
  REQUIRE_FALSE(v4);
  CHECK(v4.error().code == ENETUNREACH);
  CHECK(v4.error().text.find("Nexthop has invalid gateway") != std::string::npos);
  const auto v6 = applyOne(kernel, Verb::add, route("fd00:9::/64", "2001:db8::1"));
  REQUIRE_FALSE(v6);
  CHECK(v6.error().code == EHOSTUNREACH);
  Route onlink = route("172.17.0.0/24", "192.0.2.1");
  onlink.onlink = true;
  mustApply(kernel, Verb::add, onlink);
  mustApply(kernel, Verb::add, route("172.18.0.0/24", "172.16.9.9"));  // known by a host route
}

inline void refusesWhatStandsNowhere(Kernel& kernel) {
  settled(kernel);
  for (const Object& object : {Object(address("172.20.0.1/24", "nowhere")), Object([] {
                                 auto away = route("172.20.0.0/24");
                                 away.link = "nowhere";
                                 return away;
                               }()),
                               Object([] {
                                 auto away = neighbour("172.20.0.2");
                                 away.link = "nowhere";
                                 return away;
                               }())}) {
    const auto outcome = applyOne(kernel, Verb::add, object);
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().kind == Error::Kind::missing);
  }
  auto down = bridge("twill1");
  down.up = false;
  mustApply(kernel, Verb::add, down);
  auto onDown = route("172.20.0.0/24");
  onDown.link = "twill1";
  const auto outcome = applyOne(kernel, Verb::add, onDown);
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().code == ENETDOWN);
}

inline void refusesAnotherUnderTheSameKey(Kernel& kernel) {
  settled(kernel);
  const auto outcome = applyOne(kernel, Verb::add, route("172.16.1.0/24", "172.16.0.30", 2001));
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().kind == Error::Kind::exists);
  mustApply(kernel, Verb::change, route("172.16.1.0/24", "172.16.0.30", 2001));
  CHECK(read(kernel).routes.at({net("172.16.1.0/24"), 2001}).via == ip("172.16.0.30"));
  const auto longer = applyOne(kernel, Verb::add, address("fd42::1/48"));
  REQUIRE_FALSE(longer);
  CHECK(longer.error().kind == Error::Kind::exists);
  auto taken = bridge();
  taken.mac.reset();
  taken.alias = "twill:other";
  CHECK_FALSE(applyOne(kernel, Verb::add, taken));
}

inline void refusesSettingsThatAreNotThere(Kernel& kernel) {
  const auto outcome = applyOne(kernel, Verb::add, Sysctl{.path = "net/ipv4/no_such_thing", .value = "1"});
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().kind == Error::Kind::missing);
  CHECK(outcome.error().text.find("net/ipv4/no_such_thing") != std::string::npos);
}

inline void failsOneAlone(Kernel& kernel) {
  settled(kernel);
  const std::vector<Operation> operations{{Verb::add, route("172.17.1.0/24", "172.16.0.20")},
                                          {Verb::add, route("172.17.2.0/24", "192.0.2.1")},
                                          {Verb::add, route("172.17.3.0/24", "172.16.0.20")}};
  const auto results = kernel.apply(operations);
  REQUIRE(results.size() == 3);
  CHECK(results[0]);
  CHECK_FALSE(results[1]);
  CHECK(results[2]);
  const auto state = read(kernel);
  CHECK(state.routes.contains({net("172.17.1.0/24"), 0}));
  CHECK(state.routes.contains({net("172.17.3.0/24"), 0}));
}

inline void showsForeignRoutesOfInterest(Kernel& kernel) {
  settled(kernel);
  auto inside = route("172.16.5.0/24");
  auto outside = route("198.51.100.0/24");
  inside.protocol = outside.protocol = 4;  // RTPROT_STATIC
  mustApply(kernel, {{Verb::add, inside}, {Verb::add, outside}});
  const auto state = read(kernel);
  CHECK(state.routes.at(keyOf(inside)).protocol == 4);
  CHECK_FALSE(state.routes.contains(keyOf(outside)));
}

/// A table with a map and a set whose elements stand apart.
inline Firewall table() {
  Firewall out;
  out.chains["c"] = {"type nat hook prerouting priority dstnat",
                     {"dnat ip to meta l4proto . th dport map @ports"}};
  out.sets["ports"] = {.type = "inet_proto . inet_service : ipv4_addr . inet_service", .apart = true};
  out.sets["macs"] = {.type = "ifname . ether_addr", .apart = true};
  return out;
}

inline SetElement port(std::string key, std::string data = "172.16.0.5 . 80") {
  return {.table = kTable, .set = "ports", .key = std::move(key), .data = std::move(data)};
}

inline KernelState tableWithElements() {
  KernelState out;
  out.put(table());
  out.put(port("tcp . 8080"));
  out.put(port("udp . 53"));
  out.put(SetElement{.table = kTable, .set = "macs", .key = "tw1 . 0a:58:ac:10:00:02"});
  return out;
}

inline void keepsElementsApart(Kernel& kernel) {
  const auto wanted = tableWithElements();
  mustApply(kernel, diff(wanted, read(kernel)).operations);
  auto state = follow(kernel, read(kernel));
  CHECK(names(diff(wanted, state).operations) == "");
  CHECK(state.setElements.size() == 3);
  mustApply(kernel, {{Verb::add, port("tcp . 8080")},
                     {Verb::remove, port("udp . 53")},
                     {Verb::remove, port("udp . 54")},
                     {Verb::add, port("sctp . 9")}});
  mustApply(kernel, Verb::change, port("tcp . 8080", "172.16.0.6 . 80"));
  state = follow(kernel, std::move(state));
  CHECK(names(diff(wanted, state).operations) ==
        "change element inet twill ports { tcp . 8080 : 172.16.0.5 . 80 }\n"
        "add element inet twill ports { udp . 53 : 172.16.0.5 . 80 }\n"
        "remove element inet twill ports { sctp . 9 : 172.16.0.5 . 80 }\n");
  mustApply(kernel, diff(wanted, state).operations);
  CHECK(names(diff(wanted, follow(kernel, std::move(state))).operations) == "");
}

inline void keepsElementsOfAChangedTable(Kernel& kernel) {
  auto wanted = tableWithElements();
  mustApply(kernel, diff(wanted, read(kernel)).operations);
  auto state = follow(kernel, read(kernel));
  auto changed = table();
  changed.chains["c"].rules.push_back("return");
  for (int step = 0; step < 3; ++step) {
    if (step == 1) changed.chains["d"] = {"", {"return"}};
    if (step == 2) changed.chains.erase("c");
    mustApply(kernel, Verb::change, changed);
    state = follow(kernel, std::move(state));
    CHECK(state.setElements.size() == 3);
    CHECK(state.firewalls.at(kTable).chains.size() == changed.chains.size());
  }
  changed.sets.erase("macs");
  mustApply(kernel, Verb::change, changed);
  state = follow(kernel, std::move(state));
  CHECK(state.setElements.size() == 2);
  mustApply(kernel, Verb::remove, changed);
  state = follow(kernel, std::move(state));
  CHECK(state.setElements.empty());
  mustApply(kernel, diff(wanted, state).operations);
  CHECK(names(diff(wanted, follow(kernel, std::move(state))).operations) == "");
}

inline void failsOneElementAlone(Kernel& kernel) {
  mustApply(kernel, diff(tableWithElements(), read(kernel)).operations);
  auto state = follow(kernel, read(kernel));
  SetElement stray = port("tcp . 1");
  stray.set = "nosuch";
  const std::vector<Operation> operations{{Verb::add, port("tcp . 1")},
                                          {Verb::add, stray},
                                          {Verb::add, port("tcp . 8080", "172.16.0.7 . 80")},
                                          {Verb::remove, stray},
                                          {Verb::add, port("tcp . 2")}};
  const auto results = kernel.apply(operations);
  REQUIRE(results.size() == 5);
  CHECK(results[0]);
  REQUIRE_FALSE(results[1]);
  CHECK(results[1].error().kind == Error::Kind::missing);
  REQUIRE_FALSE(results[2]);
  CHECK(results[2].error().kind == Error::Kind::exists);
  CHECK(results[3]);
  CHECK(results[4]);
  state = follow(kernel, std::move(state));
  CHECK(state.setElements.size() == 5);
}

inline const Rule kRules[] = {
    {"a kernel holds what was applied", holdsWhatWasApplied},
    {"adding what is there counts as done", takesTwice},
    {"removing what is gone counts as done", removesTwice},
    {"each change is notified once, one's own too", notifies},
    {"an address brings a connected route", makesConnectedRoutes},
    {"a link that goes down drops routes, neighbours and IPv6 addresses", dropsWithADownLink},
    {"a link that goes takes all that is on it", dropsWithAGoneLink},
    {"the last IPv4 address takes the link's IPv4 routes and neighbours along", dropsWithTheLastAddress},
    {"a source address takes the routes that prefer it along", dropsWithTheSource},
    {"another MAC makes a link forget its neighbours", forgetsNeighboursOfAnotherMac},
    {"a bridge that goes releases its ports", releasesPorts},
    {"a next hop must be on the link", refusesFarNextHops},
    {"nothing stands on a link that is missing or down", refusesWhatStandsNowhere},
    {"nothing takes a key that another holds", refusesAnotherUnderTheSameKey},
    {"a setting without a file is refused by name", refusesSettingsThatAreNotThere},
    {"an operation that fails hurts only itself", failsOneAlone},
    {"elements that stand apart are added, changed and removed alone", keepsElementsApart},
    {"a table that changes keeps its elements, one that goes takes them along", keepsElementsOfAChangedTable},
    {"an element that cannot be had hurts only itself", failsOneElementAlone},
    {"foreign routes are seen inside the networks of interest alone", showsForeignRoutesOfInterest},
};

inline void check(const Rule& rule, Kernel& kernel, Kernel* other) {
  INFO(rule.name);
  witness = other;
  rule.check(kernel);
  witness = nullptr;
}

}  // namespace twill::conformance
