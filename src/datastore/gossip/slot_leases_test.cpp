// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/slot_leases.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace twill;
using namespace twill::gossip;

namespace {

NodeTags nodeOf(std::size_t withoutWay) {
  NodeTags node{.cluster = ClusterId::parse("0123456789abcdef0123456789abcdef").value(),
                .id = NodeId::parse("fedcba9876543210fedcba9876543210").value(),
                .generation = 3,
                .boot = UINT64_MAX,
                .noDirectWay = {},
                .unfit = {}};
  for (std::size_t i = 0; i < withoutWay; ++i) node.noDirectWay.insert(fmt::format("{:08x}", i));
  return node;
}

}  // namespace

TEST_CASE("a node is read back from its tags, in a cluster or not") {
  NodeTags node = nodeOf(2);
  CHECK(nodeTagsOf(toTags(node, std::nullopt)) == node);
  node.cluster.reset();
  CHECK(nodeTagsOf(toTags(node, std::nullopt)) == node);
  CHECK_FALSE(nodeTagsOf({{"role", "web"}}));
}

TEST_CASE("tags that are another's, or damaged, make no node") {
  for (const auto& [tag, value] : Tags{{"tw", "x"}, {"id", "12"}, {"gen", "-1"}, {"boot", "zz"}}) {
    Tags tags = toTags(nodeOf(0), std::nullopt);
    tags[tag] = value;
    CAPTURE(tag);
    CHECK_FALSE(nodeTagsOf(tags));
  }
}

TEST_CASE(
    "tags keep to Serf's limit: few are named as without a way, and data that does not fit is left out") {
  Lease lease;
  lease.subnet = Prefix::parse("172.16.128.0/24").value();
  lease.subnet6 = Prefix::parse("fd00:1234:5678:9abc:def0::/80").value();
  lease.publicIp = IpAddress::parse("203.0.113.200").value();
  lease.publicIp6 = IpAddress::parse("2001:db8:1234:5678:9abc:def0:1234:5678").value();
  lease.backendType = "vxlan";
  lease.backendData = std::string(300, 'x');
  const Tags tags = toTags(nodeOf(100), lease);
  CHECK(encodeTags(tags));
  CHECK(nodeTagsOf(tags)->noDirectWay.size() == 6);
  CHECK(tags.at("s4") == "172.16.128.0/24");
  CHECK_FALSE(tags.contains("data"));
}

TEST_CASE("of nodes without a way no more are read than are written, whatever comes in") {
  Tags tags = toTags(nodeOf(0), std::nullopt);
  tags["via"] = std::string(200, ',');
  CHECK(nodeTagsOf(tags)->noDirectWay.size() <= 6);
}

TEST_CASE("why a node takes no part is a line, and what others write there cannot steer a terminal") {
  NodeTags node = nodeOf(0);
  node.unfit = std::string(300, 'x');
  CHECK(nodeTagsOf(toTags(node, std::nullopt))->unfit == std::string(240, 'x'));
  node.unfit = "a\x1b[2J\nb\xc3";
  CHECK(nodeTagsOf(toTags(node, std::nullopt))->unfit == "a?[2J?b?");
}
