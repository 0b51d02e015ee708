// SPDX-License-Identifier: Apache-2.0
#include "kernel/private_routes.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "kernel/link.hpp"
#include "kernel/route.hpp"

namespace twill {
namespace {

/// Room for the notifications of some 50,000 routes.
constexpr int kEventBuffer = 16 << 20;

Route blackhole(const Prefix& prefix, std::uint32_t table) {
  return {.dst = prefix, .table = table, .type = RouteType::blackhole};
}

}  // namespace

Result<PrivateRoutes> PrivateRoutes::open(Tables tables) {
  TWILL_TRY(auto requests, netlink::Socket::open(NETLINK_ROUTE));
  TWILL_TRY(auto events, netlink::Socket::open(NETLINK_ROUTE));
  events.setReceiveBuffer(kEventBuffer);
  for (const unsigned group : {RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_LINK})
    TWILL_CHECK(events.join(group));
  return PrivateRoutes(std::move(tables), std::move(requests), std::move(events));
}

bool PrivateRoutes::drain() {
  bool ours = false;
  for (;;) {
    const auto datagram = events_.poll();
    if (!datagram) return true;
    if (datagram->empty()) return ours;
    netlink::forEachMessage(*datagram, [&](const netlink::Received& message) {
      if (message.type == RTM_NEWLINK || message.type == RTM_DELLINK) {
        const netlink::Attributes attributes(message.payload, sizeof(ifinfomsg));
        ours = ours || attributes.text(IFLA_IFNAME) == tables_.placeholder;
      } else if (const auto route = netlink::decodeRouteOfAnyTable(message.payload)) {
        ours = ours || route->table == tables_.learned || route->table == tables_.announced;
      }
    });
  }
}

/// Nothing: there is no link of that name.
Result<std::optional<Link>> PrivateRoutes::placeholder() {
  netlink::Message request(RTM_GETLINK, 0);
  netlink::encodeGetLink(request, tables_.placeholder);
  auto payload = requests_.get(request);
  if (!payload && payload.error().kind == Error::Kind::missing) return std::nullopt;
  if (!payload) return Failure(std::move(payload.error()).in("look for " + tables_.placeholder));
  const auto found = netlink::decodeLink(*payload);
  return found ? std::optional(found->link) : std::nullopt;
}

Result<void> PrivateRoutes::makePlaceholder() {
  TWILL_TRY(const auto there, placeholder());
  // The kernel does not ask what an existing link is, and takes up any.
  if (there && there->kind != LinkKind::bridge) {
    return fail(fmt::format("the link {0} is there already and is no bridge; learned subnets need one of "
                            "that name, so rename or remove it: ip link del {0}",
                            tables_.placeholder),
                Error::Kind::conflict);
  }
  if (there && there->up) return {};
  netlink::Message make(RTM_NEWLINK, NLM_F_CREATE);
  auto& header = make.header<ifinfomsg>();
  header.ifi_flags = IFF_UP;
  header.ifi_change = IFF_UP;
  make.putText(IFLA_IFNAME, tables_.placeholder);
  make.nest(IFLA_LINKINFO, [&] { make.putText(IFLA_INFO_KIND, "bridge"); });
  auto made = requests_.run(make);
  if (!made) return Failure(std::move(made.error()).in("make " + tables_.placeholder));
  return {};
}

Result<void> PrivateRoutes::dump(std::uint32_t table,
                                 const std::function<void(const netlink::Received&)>& each) {
  for (const Family family : {Family::v4, Family::v6}) {
    netlink::Message request(RTM_GETROUTE, NLM_F_DUMP);
    netlink::encodeRouteFilter(request, family, table);
    auto done = requests_.dump(request, [&](const netlink::Received& message) {
      const auto route = netlink::decodeRouteOfAnyTable(message.payload);
      if (route && route->table == table) each(message);
    });
    if (!done) return Failure(std::move(done.error()).in(fmt::format("read routing table {}", table)));
  }
  return {};
}

Result<std::vector<PrivateRoutes::Learned>> PrivateRoutes::learned() {
  struct Found {
    std::uint32_t metric;
    Learned route;
  };
  TWILL_TRY(const auto there, placeholder());
  std::map<Prefix, Found> found;
  TWILL_CHECK(dump(tables_.learned, [&](const netlink::Received& message) {
    const auto [route, index, otherIndex, table] = *netlink::decodeRouteOfAnyTable(message.payload);
    if (route.type != RouteType::unicast || !route.via) return;
    if (!tables_.anyLink && (!there || index != there->index)) return;
    const netlink::Attributes attributes(message.payload, sizeof(rtmsg));
    const auto mark = attributes.nest(RTA_METRICS).u32(RTAX_WINDOW).value_or(0);
    const auto [entry, isNew] =
        found.try_emplace(route.dst, Found{route.metric, {route.dst, *route.via, mark}});
    if (!isNew && route.metric < entry->second.metric)
      entry->second = {route.metric, {route.dst, *route.via, mark}};
  }));
  std::vector<Learned> out;
  out.reserve(found.size());
  for (const auto& [prefix, one] : found) out.push_back(one.route);
  return out;
}

Result<std::vector<Prefix>> PrivateRoutes::announced() {
  std::set<Prefix> found;
  TWILL_CHECK(dump(tables_.announced, [&](const netlink::Received& message) {
    const Route route = netlink::decodeRouteOfAnyTable(message.payload)->route;
    if (route.type == RouteType::blackhole && route.ours()) found.insert(route.dst);
  }));
  return std::vector<Prefix>(found.begin(), found.end());
}

Result<void> PrivateRoutes::announce(const std::vector<Prefix>& prefixes) {
  TWILL_TRY(const auto there, announced());
  netlink::Batch batch;
  for (const Prefix& prefix : prefixes) {
    if (std::find(there.begin(), there.end(), prefix) != there.end()) continue;
    netlink::Message add(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
    netlink::encodeRoute(add, blackhole(prefix, tables_.announced), 0);
    batch.add(add);
  }
  for (const Prefix& prefix : there) {
    if (std::find(prefixes.begin(), prefixes.end(), prefix) != prefixes.end()) continue;
    netlink::Message remove(RTM_DELROUTE, 0);
    netlink::encodeDeleteRoute(remove, blackhole(prefix, tables_.announced), 0);
    batch.add(remove);
  }
  for (auto& done : requests_.run(batch)) {
    if (!done)
      return Failure(std::move(done.error()).in(fmt::format("write routing table {}", tables_.announced)));
  }
  return {};
}

Result<std::vector<std::string>> PrivateRoutes::clear() {
  std::vector<std::string> removed;
  TWILL_TRY(const auto there, placeholder());
  netlink::Batch batch;
  for (const auto table : {tables_.learned, tables_.announced}) {
    TWILL_CHECK(dump(table, [&](const netlink::Received& message) {
      auto [route, index, otherIndex, of] = *netlink::decodeRouteOfAnyTable(message.payload);
      const bool ours = of == tables_.announced ? route.ours() : there && index == there->index;
      if (!ours) return;
      route.table = of;
      netlink::Message remove(RTM_DELROUTE, 0);
      netlink::encodeDeleteRoute(remove, route, index);
      batch.add(remove);
      removed.push_back(fmt::format("route {} in table {}", route.dst.text(), of));
    }));
  }
  for (auto& done : requests_.run(batch)) {
    if (!done && done.error().kind != Error::Kind::missing)
      return Failure(std::move(done.error()).in("remove a route"));
  }
  if (!there || there->kind != LinkKind::bridge) return removed;
  netlink::Message remove(RTM_DELLINK, 0);
  netlink::encodeDeleteLink(remove, tables_.placeholder);
  if (auto done = requests_.run(remove); !done)
    return Failure(std::move(done.error()).in("remove " + tables_.placeholder));
  removed.push_back("link " + tables_.placeholder);
  return removed;
}

}  // namespace twill
