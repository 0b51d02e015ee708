// SPDX-License-Identifier: Apache-2.0
#include "backend/backend.hpp"

#include <set>

#include <doctest/doctest.h>

using namespace twill;

TEST_CASE("a backend is found by its type, and an unknown type lists the known ones") {
  for (const auto& backend : backends()) CHECK(*findBackend(backend.type) == &backend);
  const auto unknown = findBackend("carrier-pigeon");
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().kind == Error::Kind::invalid);
  CHECK(unknown.error().text ==
        "network config: Backend.Type is \"carrier-pigeon\", which this build does not have; choose one of: "
        "aws-vpc, gce, host-gw, ipip, udp, vxlan");
}

TEST_CASE("a peer is on the segment when the underlay's prefix of its family holds it") {
  Underlay underlay;
  underlay.v4 = *InterfaceAddress::parse("10.0.0.10/24");
  CHECK(underlay.onSegment(*IpAddress::parse("10.0.0.255")));
  CHECK_FALSE(underlay.onSegment(*IpAddress::parse("10.0.1.0")));
  CHECK_FALSE(underlay.onSegment(*IpAddress::parse("fd00::1")));
}

TEST_CASE("every subnet of a network has its own metric, in both families") {
  for (const auto& [text, length] : {std::pair{"172.16.0.0/12", 24}, std::pair{"fd42::/48", 64}}) {
    const auto network = *Prefix::parse(text);
    std::set<std::uint32_t> seen;
    for (std::uint64_t i = 0; i < 4096; ++i) seen.insert(routeMetric(network, network.subnet(length, i)));
    CHECK(seen.size() == 4096);
    CHECK(*seen.begin() == kRouteMetricBase);
  }
}

TEST_CASE("a metric is never below the base, however many subnets an IPv6 network has") {
  const auto network = *Prefix::parse("fd00::/8");
  CHECK(routeMetric(network, network.subnet(64, (1ULL << 32U) - kRouteMetricBase - 1)) == 0xffffffffU);
  CHECK(routeMetric(network, network.subnet(64, (1ULL << 32U) - kRouteMetricBase)) == kRouteMetricBase);
  CHECK(routeMetric(network, *Prefix::parse("fdff:ffff:ffff:ffff:ffff::/80")) >= kRouteMetricBase);
}
