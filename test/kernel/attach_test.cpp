// SPDX-License-Identifier: Apache-2.0
// What a container is given depends on what it has: prepare() looks into its namespace.
#include <algorithm>

#include <doctest/doctest.h>

#include "attach/attachments.hpp"
#include "node.hpp"

namespace twill::test {
namespace {

bool hasDefault(const Attachment& attachment, Family family) {
  return std::any_of(attachment.routes.begin(), attachment.routes.end(), [&](const ContainerRoute& route) {
    return route.dst.length() == 0 && route.dst.family() == family;
  });
}

}  // namespace

TEST_CASE("the default route stays with the interface that has it, and who asks for it is told so") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  // Any metric: one of 0 would take the traffic of this one.
  sh("ip netns add c1; ip -n c1 link add first type bridge; ip -n c1 addr add 10.9.0.2/24 dev first\n"
     "ip -n c1 link set first up; ip -n c1 route add default via 10.9.0.1 dev first metric 100");
  auto attachments = Attachments::open("/run/state");
  REQUIRE(attachments);
  const NodeNetwork node{.node = "node1", .subnet = net("172.16.0.0/24"), .subnet6 = net("fd00::/64")};
  AttachRequest request{.network = "net", .containerId = "c1", .ifname = "net1", .netns = "/run/netns/c1"};

  request.defaultRoute = true;
  const auto asked = attachments->prepare(request, node);
  REQUIRE_FALSE(asked);
  CHECK(asked.error().kind == Error::Kind::invalid);
  CHECK(asked.error().text.find("net1 cannot have the default route of container c1: first has it") == 0);
  CHECK(attachments->all().empty());

  request.defaultRoute.reset();
  const auto left = attachments->prepare(request, node);
  REQUIRE(left);
  CHECK_FALSE(hasDefault(*left, Family::v4));
  CHECK(hasDefault(*left, Family::v6));
}

}  // namespace twill::test
