// SPDX-License-Identifier: Apache-2.0
#include "attach/check.hpp"

#include <doctest/doctest.h>

using namespace twill;

namespace {

const InterfaceAddress kAddress = *InterfaceAddress::parse("172.16.0.5/24");
const MacAddress kMac = *MacAddress::parse("0a:58:ac:10:00:05");

Attachment attachment() {
  return {.containerId = "c1",
          .ifname = "eth0",
          .netns = "/run/netns/c1",
          .mac = kMac,
          .addresses = {kAddress},
          .routes = {{*Prefix::parse("0.0.0.0/0"), *IpAddress::parse("172.16.0.1")}}};
}

PeerNamespace healthy() {
  PeerNamespace inside;
  KernelState& state = inside.state;
  state.put(Link{.name = "eth0", .up = true, .mac = kMac});
  state.put(Address{.link = "eth0", .address = kAddress});
  inside.routes = {Route{.dst = *Prefix::parse("0.0.0.0/0"),
                         .metric = 5,
                         .link = "eth0",
                         .via = *IpAddress::parse("172.16.0.1")}};
  return inside;
}

std::string errorOf(const PeerNamespace& inside, const ExpectedInterface& expected = {}) {
  const auto checked = checkInside(attachment(), expected, inside);
  return checked ? "" : checked.error().text;
}

}  // namespace

TEST_CASE("a container's end that is as it was made passes, and each thing that is missing is named") {
  CHECK(errorOf(healthy()).empty());
  CHECK(errorOf({}) == "eth0 of container c1 is gone from /run/netns/c1");
  auto down = healthy();
  down.state.links.at("eth0").up = false;
  CHECK(errorOf(down) == "eth0 of container c1 is down");
  auto bare = healthy();
  bare.state.addresses.clear();
  CHECK(errorOf(bare) == "eth0 of container c1 has lost its address 172.16.0.5/24");
  auto lost = healthy();
  lost.routes[0].via = *IpAddress::parse("172.16.0.9");
  CHECK(errorOf(lost) == "eth0 of container c1 has lost the route to 0.0.0.0/0 via 172.16.0.1");
}

TEST_CASE("what a later plugin has changed is expected as it left it") {
  const MacAddress other = *MacAddress::parse("02:00:00:00:00:01");
  CHECK(errorOf(healthy(), {.mac = other, .addresses = {}}) ==
        "eth0 of container c1 has the MAC 0a:58:ac:10:00:05 instead of 02:00:00:00:00:01");
  auto changed = healthy();
  changed.state.links.at("eth0").mac = other;
  CHECK(errorOf(changed, {.mac = other, .addresses = {kAddress}}).empty());
}

TEST_CASE("a route that the whole list's result names is expected, one that it does not name is not") {
  const ContainerRoute own = attachment().routes[0];
  const ContainerRoute added{.dst = *Prefix::parse("10.8.0.0/16"), .via = *IpAddress::parse("172.16.0.9")};
  ContainerRoute anyHow = added;
  anyHow.via.reset();
  auto inside = healthy();
  CHECK(errorOf(inside, {.routes = {own, added}}) ==
        "eth0 of container c1 has lost the route to 10.8.0.0/16 via 172.16.0.9");
  CHECK(errorOf(inside, {.routes = {own, anyHow}}) ==
        "eth0 of container c1 has lost the route to 10.8.0.0/16");
  inside.routes.push_back({.dst = added.dst, .link = "eth1", .via = added.via});
  CHECK(errorOf(inside, {.routes = {own, added, anyHow}}) == "");
  inside.routes[1].type = RouteType::unreachable;
  CHECK(errorOf(inside, {.routes = {own, anyHow}}) != "");
  inside = healthy();
  ContainerRoute first = own;
  first.priority = 5;
  CHECK(errorOf(inside, {.routes = {first}}) == "");
  first.priority = 6;
  CHECK(errorOf(inside, {.routes = {first}}) != "");
  // Twill's own is to lead over the container's interface, unless another plugin has taken it out.
  inside.routes[0].link = "eth1";
  CHECK(errorOf(inside, {.routes = {own}}) ==
        "eth0 of container c1 has lost the route to 0.0.0.0/0 via 172.16.0.1");
  inside.routes = {{.dst = added.dst, .link = "eth0", .via = added.via}};
  CHECK(errorOf(inside, {.routes = {added}}) == "");
}
