// SPDX-License-Identifier: Apache-2.0
#include "kernel/route_lookup.hpp"

#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include "kernel/netlink.hpp"
#include "kernel/route.hpp"

namespace twill {
namespace {

using netlink::Attributes;

/// An answer, or the errno by which the kernel says what becomes of the packet.
using RawAnswer = Result<std::vector<std::uint8_t>>;

RawAnswer ask(netlink::Socket& socket, const RouteQuery& query, unsigned flags) {
  netlink::Message request(RTM_GETROUTE, 0);
  auto& header = request.header<rtmsg>();
  header.rtm_family = query.dst.isV4() ? AF_INET : AF_INET6;
  header.rtm_flags = flags;
  if (query.dst.isV4()) header.rtm_flags |= RTM_F_LOOKUP_TABLE;  // IPv6 always does, and refuses the flag
  header.rtm_dst_len = static_cast<std::uint8_t>(query.dst.bits());
  request.putAddress(RTA_DST, query.dst);
  if (query.src) {
    header.rtm_src_len = static_cast<std::uint8_t>(query.src->bits());
    request.putAddress(RTA_SRC, *query.src);
  }
  if (!query.iif.empty()) {
    const unsigned index = ::if_nametoindex(query.iif.c_str());
    if (index == 0) return failErrno(fmt::format("interface {}", query.iif));
    request.putU32(RTA_IIF, index);
  }
  return socket.get(request);
}

/// What an errno means (fib_props in net/ipv4/fib_semantics.c, ip6_rt_type_to_error() in net/ipv6/route.c).
std::optional<RouteVerdict> dropOf(int code) {
  switch (code) {
    case EINVAL:
    case EXDEV:  // a refused source, up to Linux 6.13
      return RouteVerdict::blackhole;
    case EHOSTUNREACH:
      return RouteVerdict::unreachable;
    case EACCES:
      return RouteVerdict::prohibit;
    case ENETUNREACH:
      return RouteVerdict::none;
    default:
      return std::nullopt;
  }
}

RouteVerdict verdictOf(std::uint8_t type) {
  switch (type) {
    case RTN_UNICAST:
      return RouteVerdict::unicast;
    case RTN_LOCAL:
      return RouteVerdict::local;
    case RTN_BLACKHOLE:
      return RouteVerdict::blackhole;
    case RTN_UNREACHABLE:
      return RouteVerdict::unreachable;
    case RTN_PROHIBIT:
      return RouteVerdict::prohibit;
    default:
      return RouteVerdict::group;
  }
}

std::string linkOf(const Attributes& attributes) {
  std::array<char, IF_NAMESIZE> name{};
  const auto index = attributes.u32(RTA_OIF);
  return index && ::if_indextoname(*index, name.data()) != nullptr ? name.data() : "";
}

/// The kernel answers a lookup that ends at a dropping route with an errno alone, so the route is looked for
/// in the main table: the longest that drops in this way.
Result<void> nameDroppingRoute(netlink::Socket& socket, const IpAddress& dst, RouteAnswer& answer) {
  const RouteType type = answer.verdict == RouteVerdict::blackhole     ? RouteType::blackhole
                         : answer.verdict == RouteVerdict::unreachable ? RouteType::unreachable
                                                                       : RouteType::prohibit;
  netlink::Message request(RTM_GETROUTE, 0);
  netlink::encodeRouteFilter(request, dst.family());
  return socket.dump(request, [&](const netlink::Received& message) {
    const auto found = netlink::decodeRoute(message.payload);
    if (!found || found->route.type != type || !found->route.dst.contains(dst)) return;
    const auto& route = found->route;
    if (answer.matched && answer.matched->length() >= route.dst.length()) return;
    answer.matched = route.dst;
    answer.protocol = route.protocol;
    answer.metric = route.metric;
    answer.table = RT_TABLE_MAIN;
  });
}

/// For a forwarded IPv4 packet two errno values say either that a route drops it, or that it may not come in
/// that way at all. A packet to the same place that is made here can only meet the route.
Result<RouteAnswer> explainDrop(netlink::Socket& socket, const RouteQuery& query, RouteVerdict verdict) {
  RouteAnswer answer{.verdict = verdict};
  if (verdict == RouteVerdict::none) return answer;
  if (!query.iif.empty() && query.dst.isV4() && verdict != RouteVerdict::prohibit) {
    const auto made = ask(socket, {.dst = query.dst, .src = {}, .iif = ""}, 0);
    if (made || dropOf(made.error().code) != verdict) {
      answer.verdict =
          verdict == RouteVerdict::blackhole ? RouteVerdict::refusedSource : RouteVerdict::notForwarding;
      return answer;
    }
  }
  TWILL_CHECK(nameDroppingRoute(socket, query.dst, answer));
  return answer;
}

/// What only the route itself says: the answer proper is a copy of it, cut to one address.
void addMatched(netlink::Bytes payload, RouteAnswer& answer) {
  const auto header = netlink::headerOf<rtmsg>(payload);
  if (!header) return;
  const Attributes attributes(payload, sizeof(rtmsg));
  const auto any =
      header->rtm_family == AF_INET ? IpAddress() : IpAddress::fromBytes(std::array<std::uint8_t, 16>{});
  answer.matched = Prefix(attributes.address(RTA_DST).value_or(any), header->rtm_dst_len);
  answer.protocol = header->rtm_protocol;
  answer.metric = attributes.u32(RTA_PRIORITY).value_or(0);
  answer.table = attributes.u32(RTA_TABLE).value_or(header->rtm_table);
  // The answer proper says lo for an own address.
  if (answer.verdict == RouteVerdict::local) answer.link = linkOf(attributes);
}

}  // namespace

Result<RouteAnswer> lookUpRoute(const RouteQuery& query) {
  TWILL_TRY(auto socket, netlink::Socket::open(NETLINK_ROUTE));
  const auto what = [&] { return fmt::format("cannot look up the route to {}", query.dst.text()); };
  const auto payload = ask(socket, query, 0);
  if (!payload) {
    const auto drop = dropOf(payload.error().code);
    if (!drop) return Failure(Error(payload.error()).in(what()));
    return explainDrop(socket, query, *drop);
  }
  const auto header = netlink::headerOf<rtmsg>(*payload);
  if (!header) return fail(what() + ": the kernel's answer is cut off");
  const Attributes attributes(*payload, sizeof(rtmsg));
  RouteAnswer answer{.verdict = verdictOf(header->rtm_type)};
  answer.link = linkOf(attributes);
  answer.via = netlink::decodeNextHop(attributes);
  answer.source = attributes.address(RTA_PREFSRC);
  answer.mtu = attributes.nest(RTA_METRICS).u32(RTAX_MTU).value_or(0);
  // Linux 4.13 and later; without it the answer just does not say which route it was.
  if (const auto match = ask(socket, query, RTM_F_FIB_MATCH)) addMatched(*match, answer);
  return answer;
}

}  // namespace twill
