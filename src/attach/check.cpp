// SPDX-License-Identifier: Apache-2.0
#include "attach/check.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace twill {
namespace {

/// A route that Twill has not made may be one over another interface: a result does not say whose a route is.
bool hasRoute(const Attachment& attachment, const ContainerRoute& wanted, const PeerNamespace& inside) {
  const bool ours = std::any_of(
      attachment.routes.begin(), attachment.routes.end(),
      [&](const ContainerRoute& made) { return made.dst == wanted.dst && made.via == wanted.via; });
  return std::any_of(inside.routes.begin(), inside.routes.end(), [&](const Route& route) {
    return route.type == RouteType::unicast && route.dst == wanted.dst &&
           (!ours || route.link == attachment.ifname) && (!wanted.via || route.via == wanted.via) &&
           (wanted.priority == 0 || route.metric == wanted.priority);
  });
}

}  // namespace

Result<void> checkInside(const Attachment& attachment, const ExpectedInterface& expected,
                         const PeerNamespace& inside) {
  const auto lacks = [&](const std::string& what) {
    return fail(fmt::format("{} of container {} {}", attachment.ifname, attachment.containerId, what));
  };
  const auto link = inside.state.links.find(attachment.ifname);
  if (link == inside.state.links.end()) return lacks("is gone from " + attachment.netns);
  if (!link->second.up) return lacks("is down");
  const MacAddress mac = expected.mac.value_or(attachment.mac);
  if (link->second.mac != mac) {
    const auto actual = link->second.mac;
    return lacks(fmt::format("has the MAC {} instead of {}", actual ? actual->text() : "none", mac.text()));
  }
  for (const auto& address : expected.addresses.empty() ? attachment.addresses : expected.addresses) {
    if (!inside.state.addresses.contains({attachment.ifname, address})) {
      return lacks("has lost its address " + address.text());
    }
  }
  for (const auto& route : expected.routes.empty() ? attachment.routes : expected.routes) {
    if (hasRoute(attachment, route, inside)) continue;
    return lacks(fmt::format("has lost the route to {}{}", route.dst.text(),
                             route.via ? " via " + route.via->text() : ""));
  }
  return {};
}

}  // namespace twill
