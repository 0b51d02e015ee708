// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sched.h>

#include "base/fd.hpp"
#include "kernel_subject.hpp"

/// Rules about links, addresses, neighbours, routes and settings.
namespace twill::conformance {

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
  CHECK(operations.size() == 15);
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
        "add neighbour proxy 172.16.0.8 dev twill0\n"
        "add neighbour 172.16.0.9 lladdr 0a:58:ac:10:00:09 dev twill0\n"
        "add neighbour proxy fd42::8 dev twill0\n"
        "add neighbour fd42::9 lladdr 0a:58:ac:10:00:09 dev twill0\n"
        "add route 172.16.9.9/32 dev twill0\n"
        "add route 10.0.0.20/32 via 172.16.0.20 dev twill0 table 116 metric 2001\n"
        "add route 172.16.1.0/24 via 172.16.0.20 dev twill0 metric 2001\n"
        "add route fd00::20/128 via fd42::20 dev twill0 table 116 metric 2001\n"
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
        "add neighbour proxy 172.16.0.8 dev twill0\n"
        "add neighbour 172.16.0.9 lladdr 0a:58:ac:10:00:09 dev twill0\n"
        "add route 172.16.9.9/32 dev twill0\n"
        "add route 10.0.0.20/32 via 172.16.0.20 dev twill0 table 116 metric 2001\n"
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
  const auto before = state.neighbours.size();
  mustApply(kernel, Verb::change, other);
  state = follow(kernel, std::move(state));
  CHECK(state.neighbours.size() == before);  // given its own MAC once more
  other.mac = *MacAddress::parse("0a:58:ac:10:00:77");
  mustApply(kernel, Verb::change, other);
  state = follow(kernel, std::move(state));
  CHECK(std::all_of(state.neighbours.begin(), state.neighbours.end(),
                    [](const auto& entry) { return entry.first.proxy; }));
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

inline Link tunnel() {
  Link out;
  out.name = "twill-vx7";
  out.kind = LinkKind::vxlan;
  out.alias = "twill:vxlan";
  out.mtu = 1400;
  out.mac = *MacAddress::parse("0a:58:00:00:00:07");
  out.vxlan = Vxlan{.vni = 7, .port = 8472, .underlay = "twill0", .local = ip("172.16.0.1")};
  out.checksumOffload = false;
  return out;
}

inline Link changedOffload(bool on) {
  Link out = tunnel();
  out.checksumOffload = on;
  return out;
}

inline void keepsTunnels(Kernel& kernel) {
  auto state = settled(kernel);
  KernelState wanted = node();
  wanted.put(tunnel());
  wanted.put(Address{.link = "twill-vx7", .address = *InterfaceAddress::parse("172.17.0.0/32")});
  for (const char* last : {"1", "2"}) {
    const auto far = std::string("172.17.") + last + ".0";
    const auto mac = *MacAddress::parse(std::string("0a:58:00:00:01:0") + last);
    wanted.put(Neighbour{.link = "twill-vx7", .address = ip(far), .mac = mac});
    wanted.put(
        ForwardingEntry{.link = "twill-vx7", .mac = mac, .node = ip(std::string("172.16.0.2") + last)});
    wanted.put(Route{.dst = net(far + "/24"), .link = "twill-vx7", .via = ip(far), .onlink = true});
  }
  const auto heal = [&] {
    mustApply(kernel, diff(wanted, state).operations);
    state = follow(kernel, std::move(state));
    CHECK(names(diff(wanted, state).operations) == "");
  };
  heal();

  // Who moves to another address is followed; a lost entry comes back; one too many goes.
  ForwardingEntry entry = wanted.forwarding.begin()->second;
  entry.node = ip("172.16.0.99");
  mustApply(kernel, Verb::change, entry);
  state = follow(kernel, std::move(state));
  CHECK(names(diff(wanted, state).operations) ==
        "change " + describe(Object(wanted.forwarding.begin()->second)) + "\n");
  heal();
  mustApply(kernel, Verb::remove, wanted.forwarding.begin()->second);
  entry.mac = *MacAddress::parse("0a:58:00:00:01:77");
  mustApply(kernel, Verb::add, entry);
  state = follow(kernel, std::move(state));
  CHECK(diff(wanted, state).operations.size() == 2);
  heal();

  // Its checksum offload can be changed as it is, by anybody, and is noticed.
  mustApply(kernel, Verb::change, changedOffload(true));
  state = follow(kernel, std::move(state));
  CHECK(names(diff(wanted, state).operations) == "change vxlan twill-vx7\n");
  heal();
  CHECK(state.links.at("twill-vx7").checksumOffload == false);

  // What a device is made with it keeps for good, so there is another one with all that was on it.
  wanted.links.at("twill-vx7").vxlan->port = 4789;
  CHECK(diff(wanted, state).operations.size() == 9);
  heal();
  CHECK(state.links.at("twill-vx7").vxlan == wanted.links.at("twill-vx7").vxlan);

  // It goes with the link that it is on.
  mustApply(kernel, Verb::remove, state.links.at("twill0"));
  state = follow(kernel, std::move(state));
  CHECK_FALSE(state.links.contains("twill-vx7"));
  CHECK(state.forwarding.empty());
}

/// A node with a TUN device that leads to two others.
inline KernelState tunNode() {
  KernelState out = node();
  out.put(Link{.name = "twill-udp", .kind = LinkKind::tun, .alias = "twill:udp", .mtu = 1472});
  out.put(address("172.17.0.0/32", "twill-udp"));
  out.put(address("fd43::/128", "twill-udp"));
  for (const char* far : {"172.17.1.0/24", "fd43:1::/64"}) {
    out.put(Route{.dst = net(far), .metric = 2001, .link = "twill-udp"});
  }
  return out;
}

inline void keepsTunDevices(Kernel& kernel) {
  constexpr const char* kAll =
      "add tun twill-udp\n"
      "add address 172.17.0.0/32 dev twill-udp\n"
      "add address fd43::/128 dev twill-udp\n"
      "add route 172.17.1.0/24 dev twill-udp metric 2001\n"
      "add route fd43:1::/64 dev twill-udp metric 2001\n";
  const auto wanted = tunNode();
  auto state = settled(kernel);
  // What is missing is `missing`, and can be put back in one go.
  const auto heal = [&](const std::string& missing) {
    state = follow(kernel, std::move(state));
    CHECK(names(diff(wanted, state).operations) == missing);
    mustApply(kernel, diff(wanted, state).operations);
    state = follow(kernel, std::move(state));
    CHECK(names(diff(wanted, state).operations) == "");
  };
  heal(kAll);
  // Linux tells only after a while that there is no carrier.
  while (state.links.at("twill-udp").running && isNotified(kernel, 3000)) {
    state = follow(kernel, std::move(state));
  }
  auto device = state.links.at("twill-udp");
  CHECK(device.up);
  CHECK_FALSE(device.running);
  CHECK_FALSE(device.mac);

  device.mtu = 1400;
  mustApply(kernel, Verb::change, device);
  heal("change tun twill-udp\n");
  CHECK(state.links.at("twill-udp").mtu == 1472);

  device.up = false;
  mustApply(kernel, Verb::change, device);
  heal(
      "change tun twill-udp\n"
      "add address fd43::/128 dev twill-udp\n"
      "add route 172.17.1.0/24 dev twill-udp metric 2001\n"
      "add route fd43:1::/64 dev twill-udp metric 2001\n");
  CHECK_FALSE(state.links.at("twill-udp").running);

  mustApply(kernel, Verb::remove, device);
  heal(kAll);
  mustApply(kernel, {{Verb::remove, device}, {Verb::add, bridge("twill-udp")}});
  heal(std::string("remove bridge twill-udp\n") + kAll);

  CHECK(names(diff(node(), state).operations) == "remove tun twill-udp\n");
  mustApply(kernel, diff(node(), state).operations);
  state = follow(kernel, std::move(state));
  CHECK(names(diff(node(), state).operations) == "");
  CHECK_FALSE(state.links.contains("twill-udp"));
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
  port.peer = VethPeer{};
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

}  // namespace twill::conformance
