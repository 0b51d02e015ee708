// SPDX-License-Identifier: Apache-2.0
#include "attach/check.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace twill {
namespace {

bool hasRoute(const Attachment& attachment, const ContainerRoute& wanted, const KernelState& inside) {
  const auto at = inside.routes.lower_bound({wanted.dst, 0});
  for (auto found = at; found != inside.routes.end() && found->first.dst == wanted.dst; ++found) {
    const Route& route = found->second;
    if (route.link == attachment.ifname && route.via == wanted.via) return true;
  }
  return false;
}

}  // namespace

Result<void> checkInside(const Attachment& attachment, const ExpectedInterface& expected,
                         const KernelState& inside) {
  const auto lacks = [&](const std::string& what) {
    return fail(fmt::format("{} of container {} {}", attachment.ifname, attachment.containerId, what));
  };
  const auto link = inside.links.find(attachment.ifname);
  if (link == inside.links.end()) return lacks("is gone from " + attachment.netns);
  if (!link->second.up) return lacks("is down");
  const MacAddress mac = expected.mac.value_or(attachment.mac);
  if (link->second.mac != mac) {
    const auto actual = link->second.mac;
    return lacks(fmt::format("has the MAC {} instead of {}", actual ? actual->text() : "none", mac.text()));
  }
  for (const auto& address : expected.addresses.empty() ? attachment.addresses : expected.addresses) {
    if (!inside.addresses.contains({attachment.ifname, address})) {
      return lacks("has lost its address " + address.text());
    }
  }
  for (const ContainerRoute& route : attachment.routes) {
    if (hasRoute(attachment, route, inside)) continue;
    return lacks(fmt::format("has lost the route to {}{}", route.dst.text(),
                             route.via ? " via " + route.via->text() : ""));
  }
  return {};
}

}  // namespace twill
