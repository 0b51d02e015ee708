// SPDX-License-Identifier: Apache-2.0
#include "attach/container_routes.hpp"

#include <algorithm>

namespace twill {
namespace {

Prefix everything(Family family) {
  return {*IpAddress::parse(family == Family::v4 ? "0.0.0.0" : "::"), 0};
}

bool isDefault(const ContainerRoute& route) {
  return route.dst.length() == 0 && route.inMainTable();
}

}  // namespace

void addRoutes(const AttachRequest& request, const ChosenAddress& chosen, Attachment& attachment) {
  const Family family = chosen.address.address.family();
  const auto& gateway = chosen.gateway;
  if (gateway) attachment.gateways.push_back(*gateway);
  if (gateway && request.mode == AttachMode::routed && family == Family::v4) {
    attachment.routes.push_back({.dst = Prefix::host(*gateway), .via = std::nullopt});
  }
  const bool wantsDefault = gateway && request.defaultRoute.value_or(request.routes.empty());
  const bool saysHow =
      std::any_of(request.routes.begin(), request.routes.end(), [&](const ContainerRoute& route) {
        return route.dst.family() == family && isDefault(route) && route.hasAttributes();
      });
  if (wantsDefault && !saysHow) attachment.routes.push_back({.dst = everything(family), .via = gateway});
  const auto known =
      std::count_if(attachment.addresses.begin(), attachment.addresses.end(),
                    [&](const InterfaceAddress& address) { return address.address.family() == family; });
  for (ContainerRoute route : request.routes) {
    // A priority can be had once: with the first of several addresses.
    const bool isThere =
        (wantsDefault && isDefault(route) && !route.hasAttributes()) || (known > 1 && route.priority != 0);
    if (route.dst.family() != family || isThere) continue;
    if (!route.via && !route.staysOnLink()) route.via = gateway;
    attachment.routes.push_back(route);
  }
}

}  // namespace twill
