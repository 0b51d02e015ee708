// SPDX-License-Identifier: Apache-2.0
#include "datastore/bgp/picture.hpp"

#include <doctest/doctest.h>

#include "datastore/bgp/bird_config.hpp"
#include "datastore/lease_data.hpp"

using namespace twill;
using namespace twill::bgp;

namespace {

IpAddress ip(const char* text) {
  return IpAddress::parse(text).value();
}
Prefix prefix(const char* text) {
  return Prefix::parse(text).value();
}

Lease leaseOf(const std::string& node, const char* address) {
  return {.node = node,
          .publicIp = ip(address),
          .backendType = "vxlan",
          .backendData = R"({"VNI":1,"VtepMAC":"0a:58:0a:00:00:01"})"};
}

PictureInputs inputsOf(std::vector<Announcement> learned) {
  return {.network = parseNetworkConfig(R"({"Network":"10.244.0.0/16","Backend":{"Type":"vxlan"}})").value(),
          .learned = std::move(learned),
          .node = "node1",
          .own = {},
          .dead = {},
          .address = ip("10.0.0.10")};
}

const Prefix kBlock = prefix("10.244.1.0/24");

}  // namespace

TEST_CASE("a lease is what its node tells of itself, with the subnets of both families") {
  Lease lease = leaseOf("node2", "10.0.0.20");
  const std::string record = toData(lease);
  const auto cluster = pictureOf(inputsOf(
      {{kBlock, ip("10.0.0.20"), record}, {prefix("fd44:0:0:1::/64"), nextHop6Of(ip("10.0.0.20")), record}}));
  lease.subnet = kBlock;
  lease.subnet6 = prefix("fd44:0:0:1::/64");
  CHECK(cluster.leases == std::vector{lease});
  CHECK(cluster.warnings.empty());
}

TEST_CASE("a router that tells nothing of itself has a lease by its address") {
  const auto cluster = pictureOf(inputsOf({{kBlock, ip("10.0.0.20"), ""}}));
  REQUIRE(cluster.leases.size() == 1);
  CHECK(cluster.leases[0] ==
        Lease{.node = "", .subnet = kBlock, .publicIp = ip("10.0.0.20"), .backendType = "vxlan"});
}

TEST_CASE("two owners of a subnet are both in the picture, where the rule for all nodes decides") {
  auto inputs = inputsOf({{kBlock, ip("10.0.0.20"), toData(leaseOf("node2", "10.0.0.20"))},
                          {kBlock, ip("10.0.0.30"), toData(leaseOf("node3", "10.0.0.30"))}});
  const auto sound = makeSound(pictureOf(inputs));
  REQUIRE(sound.conflicts.size() == 1);
  CHECK(sound.conflicts[0].winner == "node2");
  CHECK(sound.conflicts[0].loser == "node3");
}

TEST_CASE("who tells nothing of himself takes no node's subnet, however low his address") {
  auto inputs = inputsOf({{kBlock, ip("10.0.0.1"), ""},
                          {kBlock, ip("10.0.0.20"), toData(leaseOf("node2", "10.0.0.20"))},
                          {prefix("10.244.5.0/24"), ip("10.0.0.1"), ""},
                          {prefix("10.244.9.0/24"), ip("10.0.0.2"), ""}});
  inputs.own = leaseOf("node1", "10.0.0.10");
  inputs.own->subnet = prefix("10.244.5.0/24");
  const auto cluster = pictureOf(inputs);
  REQUIRE(cluster.leases.size() == 3);
  CHECK(cluster.leases[0] == *inputs.own);
  REQUIRE(cluster.warnings.size() == 2);
  CHECK(cluster.warnings[0].find("10.0.0.1 announces 10.244.1.0/24, which is node2's") == 0);
}

TEST_CASE("the dead are left out and named, and still asked") {
  auto inputs = inputsOf({{kBlock, ip("10.0.0.20"), toData(leaseOf("node2", "10.0.0.20"))}});
  CHECK(probeAddresses(inputs) == std::set{ip("10.0.0.20")});
  inputs.dead = {ip("10.0.0.20")};
  inputs.own = leaseOf("node1", "10.0.0.10");
  const auto cluster = pictureOf(inputs);
  CHECK(cluster.leases == std::vector{*inputs.own});
  REQUIRE(cluster.warnings.size() == 1);
  CHECK(cluster.warnings[0].find("10.0.0.20") != std::string::npos);
  CHECK(probeAddresses(inputs) == std::set{ip("10.0.0.20")});
}

TEST_CASE("who goes by this node's name, and what cannot be read, is named and left out") {
  const auto cluster = pictureOf(inputsOf({{kBlock, ip("10.0.0.20"), toData(leaseOf("node1", "10.0.0.20"))},
                                           {prefix("10.244.2.0/24"), ip("10.0.0.30"), "garbage"}}));
  CHECK(cluster.leases.empty());
  REQUIRE(cluster.warnings.size() == 2);
  CHECK(cluster.warnings[0].find("10.0.0.20 goes by this node's name") != std::string::npos);
  CHECK(cluster.warnings[1].find("10.0.0.30 tells of itself") != std::string::npos);
}

TEST_CASE(
    "of what a daemon that filters nothing has let in, only subnets of the network are in the picture") {
  auto inputs = inputsOf({{prefix("0.0.0.0/0"), ip("10.0.0.1"), ""},
                          {prefix("10.244.0.0/16"), ip("10.0.0.1"), ""},
                          {prefix("10.244.1.128/25"), ip("10.0.0.1"), ""},
                          {prefix("192.0.2.0/24"), ip("10.0.0.1"), ""},
                          {prefix("fd44::/64"), ip("fd00::1"), ""},
                          {kBlock, ip("10.0.0.20"), ""}});
  inputs.unfiltered = true;
  const auto cluster = pictureOf(inputs);
  REQUIRE(cluster.leases.size() == 1);
  CHECK(cluster.leases[0].subnet == kBlock);
  REQUIRE(cluster.warnings.size() == 1);
  CHECK(cluster.warnings[0].find("0.0.0.0/0 is the first of 5") != std::string::npos);
  CHECK(probeAddresses(inputs) == std::set{ip("10.0.0.20")});
}
