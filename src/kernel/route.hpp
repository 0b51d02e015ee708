// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "kernel/netlink.hpp"
#include "plan/objects.hpp"

namespace twill::netlink {

/// What one RTM_NEWROUTE or RTM_DELROUTE says. `route.link` is set by the caller, who knows the names.
struct RouteMessage {
  Route route;
  int index = 0;       ///< ifindex; of the first next hop when there are several, 0 when there is none
  int otherIndex = 0;  ///< of the first further next hop over another interface
  std::uint32_t table = 0;
};

/// Routes of the main table and of Twill's that carry or refuse unicast traffic; nothing for cached ones,
/// those of other tables and kinds, and those for one type of service.
[[nodiscard]] std::optional<RouteMessage> decodeRoute(Bytes payload);
/// The same of any table.
[[nodiscard]] std::optional<RouteMessage> decodeRouteOfAnyTable(Bytes payload);

/// The next hop among the attributes of a route or of one of its hops.
[[nodiscard]] std::optional<IpAddress> decodeNextHop(const Attributes& attributes);

/// The body of RTM_NEWROUTE. `index`: ifindex of route.link, 0 when there is none.
void encodeRoute(Message& message, const Route& route, int index);
/// The body of RTM_NEWROUTE for a route in a container, over the interface `index` there. `metric` instead of
/// its priority.
void encodeContainerRoute(Message& message, const ContainerRoute& route, std::uint32_t metric,
                          std::uint8_t protocol, int index);
/// The body of RTM_DELROUTE, so exact that only this route of this protocol can match.
void encodeDeleteRoute(Message& message, const Route& route, int index);
/// The body of RTM_GETROUTE for a dump of one of a family's tables (Route::table), or of all of them.
void encodeRouteFilter(Message& message, Family family, std::uint32_t table = 0);
void encodeEveryTable(Message& message, Family family);

}  // namespace twill::netlink
