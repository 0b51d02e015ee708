// SPDX-License-Identifier: Apache-2.0
#include "ipam/subnet.hpp"

#include <doctest/doctest.h>

using namespace twill;

namespace {

Cluster clusterOf(const char* network, int length, const char* min, const char* max) {
  Cluster cluster;
  cluster.network.v4 = FamilyConfig{.network = *Prefix::parse(network),
                                    .subnetLength = length,
                                    .subnetMin = *Prefix::parse(min),
                                    .subnetMax = *Prefix::parse(max)};
  return cluster;
}

void take(Cluster& cluster, const std::string& node, const std::string& subnet) {
  cluster.leases.push_back({.node = node, .subnet = *Prefix::parse(subnet)});
}

Cluster four() {
  return clusterOf("10.0.0.0/22", 24, "10.0.0.0/24", "10.0.3.0/24");
}

}  // namespace

TEST_CASE("a node keeps what its lease holds") {
  Cluster cluster = four();
  take(cluster, "node1", "10.0.2.0/24");
  CHECK(chooseSubnets(cluster, "node1", {})->v4->text() == "10.0.2.0/24");
}

TEST_CASE("a subnet that a person gave outside SubnetMin and SubnetMax, or of another length, is kept") {
  for (const char* subnet : {"10.0.0.0/24", "10.0.9.0/24", "10.0.7.0/25"}) {
    Cluster cluster = clusterOf("10.0.0.0/16", 24, "10.0.7.0/24", "10.0.8.0/24");
    take(cluster, "node1", subnet);
    CHECK(chooseSubnets(cluster, "node1", {})->v4->text() == subnet);
  }
  Cluster cluster = clusterOf("10.0.0.0/16", 24, "10.0.7.0/24", "10.0.8.0/24");
  NodeSubnets had{.v4 = *Prefix::parse("10.0.0.0/24")};
  CHECK(chooseSubnets(cluster, "node1", had) == had);
}

TEST_CASE("a node without a lease gets back what it had, when that is free and fits") {
  Cluster cluster = four();
  NodeSubnets had{.v4 = *Prefix::parse("10.0.3.0/24")};
  CHECK(chooseSubnets(cluster, "node1", had) == had);
  take(cluster, "node2", "10.0.3.0/25");
  CHECK(chooseSubnets(cluster, "node1", had) != had);
  NodeSubnets foreign{.v4 = *Prefix::parse("10.9.3.0/24")};
  CHECK(chooseSubnets(cluster, "node1", foreign) != foreign);
}

TEST_CASE("whatever is taken, the last free subnet is found, and then none") {
  for (const char* last : {"10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24"}) {
    Cluster cluster = four();
    for (const char* subnet : {"10.0.3.0/24", "10.0.0.0/24", "10.0.2.0/24", "10.0.1.0/24"}) {
      if (std::string(subnet) != last) take(cluster, std::string("peer") + subnet, subnet);
    }
    CHECK(chooseSubnets(cluster, "node1", {})->v4->text() == last);
    take(cluster, "greedy", last);
    auto none = chooseSubnets(cluster, "node1", {});
    REQUIRE_FALSE(none);
    CHECK(none.error().text.find("all 4 subnets /24 of 10.0.0.0/22") != std::string::npos);
  }
}

TEST_CASE("leases of other lengths take up all that they overlap") {
  Cluster cluster = four();
  take(cluster, "big", "10.0.0.0/23");
  take(cluster, "small", "10.0.2.128/25");
  CHECK(chooseSubnets(cluster, "node1", {})->v4->text() == "10.0.3.0/24");
}

TEST_CASE("only subnets between SubnetMin and SubnetMax are handed out") {
  Cluster cluster = clusterOf("10.0.0.0/16", 24, "10.0.7.0/24", "10.0.8.0/24");
  take(cluster, "outside", "10.0.1.0/24");
  take(cluster, "peer", "10.0.7.0/24");
  CHECK(chooseSubnets(cluster, "node1", {})->v4->text() == "10.0.8.0/24");
}

TEST_CASE("both families are chosen on their own") {
  Cluster cluster = four();
  cluster.network.v6 = FamilyConfig{.network = *Prefix::parse("fd00::/48"),
                                    .subnetLength = 64,
                                    .subnetMin = *Prefix::parse("fd00:0:0:1::/64"),
                                    .subnetMax = *Prefix::parse("fd00:0:0:ffff::/64")};
  auto subnets = chooseSubnets(cluster, "node1", {});
  REQUIRE(subnets);
  CHECK(cluster.network.v6->network.contains(*subnets->v6));
  CHECK(subnets->v6->length() == 64);
  CHECK(subnets->v4);
}
