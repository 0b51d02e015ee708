// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "backend/samples.hpp"

using namespace twill;
using namespace twill::samples;

namespace {

Cluster cluster() {
  auto out = twoNodes();
  out.network.backend.type = "aws-vpc";
  out.network.backend.routeTableIds = {"rtb-1"};
  out.leases[1].backendType = "vxlan";
  return out;
}

Desired desired(const char* type, const Cluster& cluster) {
  Desired out;
  (*findBackend(type))->desired(cluster, node1(), out);
  return out;
}

}  // namespace

TEST_CASE("aws-vpc: nothing in the kernel, this node's subnets in the cloud's tables") {
  const Desired out = desired("aws-vpc", cluster());
  CHECK(text(out).empty());
  REQUIRE(out.cloud);
  CHECK(out.cloud->type == "aws-vpc");
  CHECK(out.cloud->tables == std::vector<std::string>{"rtb-1"});
  CHECK(out.cloud->local4->text() == "10.0.0.10");
  CHECK(out.cloud->local6->text() == "fd00::10");
  CHECK(out.cloud->own == std::vector{*Prefix::parse("172.16.0.0/24"), *Prefix::parse("fd42::/64")});
  // All leases count as held, also those of nodes that are still reached otherwise.
  CHECK(out.cloud->leased.size() == 4);
  CHECK(out.cloud->colleagues == std::vector<std::string>{"node1"});
}

TEST_CASE("gce: one family, and a lease without a subnet asks for nothing") {
  Cluster one = cluster();
  one.network.v6.reset();
  const Desired out = desired("gce", one);
  REQUIRE(out.cloud);
  CHECK(out.cloud->type == "gce");
  CHECK(out.cloud->networks.size() == 1);
  CHECK(out.cloud->own == std::vector{*Prefix::parse("172.16.0.0/24")});

  Self bare = node1();
  bare.lease.subnet.reset();
  Desired none;
  (*findBackend("gce"))->desired(one, bare, none);
  CHECK_FALSE(none.cloud);
}

TEST_CASE("clouds: containers may send as much as the underlay takes, or less on request") {
  const Backend& backend = **findBackend("aws-vpc");
  Underlay underlay;
  underlay.mtu = 9001;
  NetworkConfig config = cluster().network;
  CHECK(backend.mtu(config, underlay) == 9001);
  config.backend.mtu = 1500;
  CHECK(backend.mtu(config, underlay) == 1500);
}
