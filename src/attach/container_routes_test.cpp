// SPDX-License-Identifier: Apache-2.0
#include "attach/container_routes.hpp"

#include <doctest/doctest.h>

using namespace twill;

namespace {

const ContainerRoute kDefault{.dst = *Prefix::parse("0.0.0.0/0"), .via = *IpAddress::parse("172.16.0.1")};

std::vector<ContainerRoute> routesWith(const AttachRequest& request, int addresses = 1) {
  Attachment attachment;
  for (int i = 0; i < addresses; ++i) {
    const ChosenAddress chosen{{IpAddress::fromV4(0xac100005U + static_cast<std::uint32_t>(i)), 24},
                               kDefault.via};
    attachment.addresses.push_back(chosen.address);
    addRoutes(request, chosen, attachment);
  }
  return attachment.routes;
}

}  // namespace

TEST_CASE("the default route is there unless others were asked for, or it was refused") {
  ContainerRoute other{.dst = *Prefix::parse("10.0.0.0/8"), .via = kDefault.via};
  CHECK(routesWith({}) == std::vector{kDefault});
  CHECK(routesWith({.defaultRoute = false}).empty());
  CHECK(routesWith({.routes = {{.dst = other.dst, .via = std::nullopt}}}) == std::vector{other});
  CHECK(routesWith({.routes = {{.dst = kDefault.dst, .via = std::nullopt}, other}, .defaultRoute = true}) ==
        std::vector{kDefault, other});
}

TEST_CASE("a route keeps its attributes, and has no gateway when it stays on the link") {
  ContainerRoute special = kDefault;
  special.mtu = 1400;
  CHECK(routesWith({.routes = {special}, .defaultRoute = true}) == std::vector{special});
  ContainerRoute elsewhere = kDefault;
  elsewhere.table = 1000;
  CHECK(routesWith({.routes = {elsewhere}, .defaultRoute = true}) == std::vector{kDefault, elsewhere});
  ContainerRoute near{.dst = *Prefix::parse("10.0.0.0/8"), .via = std::nullopt, .scope = 253};
  CHECK(routesWith({.routes = {near}}) == std::vector{near});
  ContainerRoute first = kDefault;
  first.priority = 5;
  CHECK(routesWith({.routes = {first}}, 2) == std::vector{first});
}
