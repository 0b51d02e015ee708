// SPDX-License-Identifier: Apache-2.0
#include "kernel/read.hpp"

#include <set>
#include <utility>

#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "kernel/ethtool.hpp"
#include "kernel/link.hpp"
#include "kernel/route.hpp"
#include "kernel/rule.hpp"

namespace twill {
namespace {

/// A dump is asked again when the kernel's list changed under it; a list that never rests is an error.
constexpr int kAttempts = 10;

template <class Body>
Result<void> untilConsistent(const Body& body) {
  Result<void> out;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    out = body();
    if (out || out.error().code != EAGAIN) break;
  }
  return out;
}

/// Device by device: a bridge has thousands of entries that are nobody's.
template <class Fold>
Result<void> readForwarding(netlink::Socket& socket, KernelState& state, const Fold& fold) {
  std::vector<int> devices;
  for (const auto& [name, link] : state.links) {
    if (link.kind == LinkKind::vxlan && link.ours()) devices.push_back(link.index);
  }
  return untilConsistent([&]() -> Result<void> {
    state.forwarding.clear();
    for (const int device : devices) {
      netlink::Message request(RTM_GETNEIGH, 0);
      netlink::encodeForwardingFilter(request, device);
      TWILL_CHECK(socket.dump(request, fold));
    }
    return {};
  });
}

}  // namespace

Result<KernelState> readState(netlink::Socket& socket, Mirror& mirror, const Interest& interest) {
  KernelState state;
  const auto fold = [&](const netlink::Received& message) { (void)mirror.fold(message, state, interest); };
  TWILL_CHECK(untilConsistent([&]() -> Result<void> {
    std::vector<std::vector<std::uint8_t>> links;
    netlink::Message request(RTM_GETLINK, 0);
    netlink::encodeLinkFilter(request);
    TWILL_CHECK(socket.dump(request, [&](const netlink::Received& message) {
      links.emplace_back(message.payload.begin(), message.payload.end());
    }));
    mirror.foldAllLinks(links, state);
    return {};
  }));
  readOffloads(mirror, state);
  TWILL_CHECK(untilConsistent([&] {
    state.addresses.clear();
    netlink::Message request(RTM_GETADDR, 0);
    request.header<ifaddrmsg>();
    return socket.dump(request, fold);
  }));
  TWILL_CHECK(untilConsistent([&]() -> Result<void> {
    state.neighbours.clear();
    netlink::Message request(RTM_GETNEIGH, 0);
    request.header<ndmsg>();
    TWILL_CHECK(socket.dump(request, fold));
    netlink::Message proxies(RTM_GETNEIGH, 0);
    proxies.header<ndmsg>().ndm_flags = NTF_PROXY;
    return socket.dump(proxies, fold);
  }));
  TWILL_CHECK(readForwarding(socket, state, fold));
  TWILL_CHECK(untilConsistent([&]() -> Result<void> {
    state.routes.clear();
    state.rules.clear();
    for (const Family family : {Family::v4, Family::v6}) {
      netlink::Message request(RTM_GETRULE, 0);
      netlink::encodeRuleFilter(request, family);
      TWILL_CHECK(socket.dump(request, fold));
    }
    std::set<std::uint32_t> tables{0, kRoutingTable};
    for (const auto& [key, rule] : state.rules) tables.insert(rule.table);
    for (const Family family : {Family::v4, Family::v6}) {
      for (const std::uint32_t table : tables) {
        netlink::Message request(RTM_GETROUTE, 0);
        netlink::encodeRouteFilter(request, family, table);
        TWILL_CHECK(socket.dump(request, fold));
      }
    }
    return {};
  }));
  return state;
}

bool readOffloads(Mirror& mirror, KernelState& state) {
  bool changed = false;
  for (const auto& name : mirror.takeAnnounced()) {
    const auto link = state.links.find(name);
    if (link == state.links.end()) continue;
    const auto before = std::exchange(link->second.checksumOffload, ethtool::checksumOffload(name));
    changed = changed || before != link->second.checksumOffload;
  }
  return changed;
}

Result<std::vector<netlink::RouteMessage>> readEveryTable(netlink::Socket& socket) {
  std::vector<netlink::RouteMessage> routes;
  TWILL_CHECK(untilConsistent([&]() -> Result<void> {
    routes.clear();
    for (const Family family : {Family::v4, Family::v6}) {
      netlink::Message request(RTM_GETROUTE, 0);
      netlink::encodeEveryTable(request, family);
      TWILL_CHECK(socket.dump(request, [&](const netlink::Received& message) {
        auto found = netlink::decodeRouteOfAnyTable(message.payload);
        if (found) routes.push_back(std::move(*found));
      }));
    }
    return {};
  }));
  return routes;
}

}  // namespace twill
