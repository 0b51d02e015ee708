// SPDX-License-Identifier: Apache-2.0
#include "kernel/route.hpp"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "plan/network_names.hpp"

namespace twill::netlink {
namespace {

std::optional<RouteType> typeOf(std::uint8_t type) {
  switch (type) {
    case RTN_UNICAST:
      return RouteType::unicast;
    case RTN_BLACKHOLE:
      return RouteType::blackhole;
    case RTN_UNREACHABLE:
      return RouteType::unreachable;
    case RTN_PROHIBIT:
      return RouteType::prohibit;
    default:
      return std::nullopt;
  }
}

std::uint8_t numberOf(RouteType type) {
  switch (type) {
    case RouteType::blackhole:
      return RTN_BLACKHOLE;
    case RouteType::unreachable:
      return RTN_UNREACHABLE;
    case RouteType::prohibit:
      return RTN_PROHIBIT;
    case RouteType::unicast:
      break;
  }
  return RTN_UNICAST;
}

/// IPv6 traffic has no IPv4 next hop and no IPv4 source, and an IPv4 source is IPv4.
void dropMisfits(Route& route) {
  const auto family = route.dst.family();
  if (route.source && route.source->family() != family) route.source.reset();
  if (route.via && route.via->isV4() && family == Family::v6) route.via.reset();
}

/// The next hops after the first one in RTA_MULTIPATH.
void decodeOtherHops(Bytes hops, RouteMessage& out) {
  for (auto hop = headerOf<rtnexthop>(hops); hop; hop = headerOf<rtnexthop>(hops)) {
    if (hop->rtnh_ifindex != out.index && out.otherIndex == 0) out.otherIndex = hop->rtnh_ifindex;
    const std::size_t length = RTNH_ALIGN(hop->rtnh_len);
    if (hop->rtnh_len < sizeof(rtnexthop) || length >= hops.size()) return;
    hops = hops.subspan(length);
  }
}

/// RTA_OIF and RTA_GATEWAY stand in the message itself, or in each hop of RTA_MULTIPATH.
void decodeFirstHop(const Attributes& attributes, RouteMessage& out) {
  const auto hops = attributes.bytes(RTA_MULTIPATH);
  const auto hop = headerOf<rtnexthop>(hops);
  if (!hop) {
    out.route.via = decodeNextHop(attributes);
    return;
  }
  out.index = hop->rtnh_ifindex;
  decodeOtherHops(hops, out);
  out.route.onlink = (hop->rtnh_flags & RTNH_F_ONLINK) != 0;
  if (hop->rtnh_len >= sizeof(rtnexthop) && hop->rtnh_len <= hops.size()) {
    out.route.via = decodeNextHop(Attributes(hops.first(hop->rtnh_len), sizeof(rtnexthop)));
  }
}

/// The header's field has 8 bits; RTA_TABLE has the say.
void encodeTable(Message& message, std::uint32_t table) {
  message.putU32(RTA_TABLE, table == 0 ? RT_TABLE_MAIN : table);
}

/// What identifies a route to the kernel.
void encodeIdentity(Message& message, rtmsg& header, const Route& route, int index) {
  header.rtm_family = route.dst.isV4() ? AF_INET : AF_INET6;
  header.rtm_dst_len = static_cast<std::uint8_t>(route.dst.length());
  header.rtm_protocol = route.protocol;
  header.rtm_type = numberOf(route.type);
  if (route.onlink) header.rtm_flags = RTNH_F_ONLINK;
  if (route.dst.length() > 0) message.putAddress(RTA_DST, route.dst.address());
  if (index != 0) message.putU32(RTA_OIF, static_cast<std::uint32_t>(index));
  if (route.via && route.via->family() == route.dst.family()) {
    message.putAddress(RTA_GATEWAY, *route.via);
  } else if (route.via) {
    std::array<std::uint8_t, sizeof(rtvia) + 16> via{};
    const std::uint16_t family = AF_INET6;
    std::copy_n(reinterpret_cast<const std::uint8_t*>(&family), sizeof family, via.begin());
    const auto bytes = route.via->bytes();
    std::copy(bytes.begin(), bytes.end(), via.begin() + sizeof(rtvia));
    message.put(RTA_VIA, via);
  }
  message.putU32(RTA_PRIORITY, keyOf(route).metric);
  encodeTable(message, route.table);
}

/// A next hop is looked for one scope further in, so only routes without one may have link scope.
std::uint8_t naturalScope(const Route& route) {
  const bool direct = route.dst.isV4() && route.type == RouteType::unicast && !route.via;
  return direct ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
}

}  // namespace

std::optional<IpAddress> decodeNextHop(const Attributes& attributes) {
  const auto via = attributes.bytes(RTA_VIA);  // an IPv6 next hop of an IPv4 route: struct rtvia
  if (via.size() == sizeof(rtvia) + 16) return IpAddress::fromBytes(via.subspan(sizeof(rtvia)));
  return attributes.address(RTA_GATEWAY);
}

std::optional<RouteMessage> decodeRoute(Bytes payload) {
  auto found = decodeRouteOfAnyTable(payload);
  if (!found || (found->table != RT_TABLE_MAIN && !isRoutingTable(found->table))) return std::nullopt;
  if (found->table != RT_TABLE_MAIN) found->route.table = found->table;
  return found;
}

std::optional<RouteMessage> decodeRouteOfAnyTable(Bytes payload) {
  const auto header = headerOf<rtmsg>(payload);
  if (!header || (header->rtm_family != AF_INET && header->rtm_family != AF_INET6)) return std::nullopt;
  const auto type = typeOf(header->rtm_type);
  if (!type || header->rtm_tos != 0 || header->rtm_src_len != 0 || (header->rtm_flags & RTM_F_CLONED) != 0) {
    return std::nullopt;
  }
  const Attributes attributes(payload, sizeof(rtmsg));
  const std::array<std::uint8_t, 16> zero{};
  const bool v4 = header->rtm_family == AF_INET;
  const auto dst = attributes.address(RTA_DST).value_or(IpAddress::fromBytes({zero.data(), v4 ? 4U : 16U}));
  if (dst.isV4() != v4 || header->rtm_dst_len > dst.bits()) return std::nullopt;

  RouteMessage out;
  out.table = attributes.u32(RTA_TABLE).value_or(header->rtm_table);
  out.route.dst = Prefix(dst, header->rtm_dst_len);
  out.route.type = *type;
  out.route.metric = attributes.u32(RTA_PRIORITY).value_or(0);
  out.route.protocol = header->rtm_protocol;
  out.route.source = attributes.address(RTA_PREFSRC);
  out.route.mtu = attributes.nest(RTA_METRICS).u32(RTAX_MTU).value_or(0);
  out.route.onlink = (header->rtm_flags & RTNH_F_ONLINK) != 0;
  // IPv6 names lo on routes that refuse traffic.
  if (*type == RouteType::unicast) {
    out.index = static_cast<int>(attributes.u32(RTA_OIF).value_or(0));
    decodeFirstHop(attributes, out);
  }
  dropMisfits(out.route);
  return out;
}

void encodeRoute(Message& message, const Route& route, int index) {
  auto& header = message.header<rtmsg>();
  header.rtm_scope = naturalScope(route);
  encodeIdentity(message, header, route, index);
  if (route.source) message.putAddress(RTA_PREFSRC, *route.source);
  if (route.mtu != 0) message.nest(RTA_METRICS, [&] { message.putU32(RTAX_MTU, route.mtu); });
}

void encodeContainerRoute(Message& message, const ContainerRoute& route, std::uint32_t metric,
                          std::uint8_t protocol, int index) {
  const std::uint32_t table = route.inMainTable() ? 0 : route.table;
  const Route plain{
      .dst = route.dst, .metric = metric, .table = table, .via = route.via, .protocol = protocol};
  auto& header = message.header<rtmsg>();
  header.rtm_scope = route.scope.value_or(naturalScope(plain));
  encodeIdentity(message, header, plain, index);
  if (route.mtu == 0 && route.advmss == 0) return;
  message.nest(RTA_METRICS, [&] {
    if (route.mtu != 0) message.putU32(RTAX_MTU, route.mtu);
    if (route.advmss != 0) message.putU32(RTAX_ADVMSS, route.advmss);
  });
}

void encodeDeleteRoute(Message& message, const Route& route, int index) {
  auto& header = message.header<rtmsg>();
  header.rtm_scope = RT_SCOPE_NOWHERE;  // any
  encodeIdentity(message, header, route, index);
}

void encodeRouteFilter(Message& message, Family family, std::uint32_t table) {
  auto& header = message.header<rtmsg>();
  header.rtm_family = family == Family::v4 ? AF_INET : AF_INET6;
  encodeTable(message, table);
}

void encodeEveryTable(Message& message, Family family) {
  auto& header = message.header<rtmsg>();
  header.rtm_family = family == Family::v4 ? AF_INET : AF_INET6;
  header.rtm_table = RT_TABLE_UNSPEC;
}

}  // namespace twill::netlink
