// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <poll.h>

#include "kernel/kernel.hpp"

/// A kernel that is tried by kernel_conformance.hpp: what it is given, and how to follow it.
namespace twill::conformance {

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

/// A bridge with addresses, neighbours, routes and rules in both families.
inline KernelState node() {
  KernelState out;
  out.put(Sysctl{.path = "net/ipv4/ip_forward", .value = "1"});
  out.put(Sysctl{.path = "net/ipv6/conf/all/forwarding", .value = "1"});
  out.put(bridge());
  out.put(address("172.16.0.1/24"));
  out.put(address("fd42::1/64"));
  out.put(neighbour("172.16.0.9"));
  out.put(neighbour("fd42::9"));
  out.put(Neighbour{.link = "twill0", .address = ip("172.16.0.8"), .proxy = true});
  out.put(Neighbour{.link = "twill0", .address = ip("fd42::8"), .proxy = true});
  out.put(route("172.16.1.0/24", "172.16.0.20", 2001));
  out.put(route("fd42:1::/64", "fd42::20", 2001));
  out.put(route("fd42:2::/64", "fd42::20"));
  out.put(route("172.16.9.9/32"));
  for (const auto* network : {"172.16.0.0/24", "fd42::/64"}) out.put(Rule{.from = net(network)});
  for (const auto& [dst, via] : {std::pair{"10.0.0.20/32", "172.16.0.20"}, {"fd00::20/128", "fd42::20"}}) {
    Route inside = route(dst, via, 2001);
    inside.table = kRoutingTable;
    out.put(inside);
  }
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
  compare("forwarding", a.forwarding == b.forwarding);
  compare("rules", a.rules == b.rules);
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

}  // namespace twill::conformance
