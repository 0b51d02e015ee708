// SPDX-License-Identifier: Apache-2.0
#include "model/cloud_wish.hpp"

#include <doctest/doctest.h>

namespace twill {
namespace {

TEST_CASE("what is needed to take routes away again is read as it was written") {
  CloudWish wish{
      .type = "aws-vpc", .node = "node1", .local4 = *IpAddress::parse("10.0.0.10"), .tables = {"rtb-1"}};
  wish.networks.push_back({.network = *Prefix::parse("10.244.0.0/16"), .subnetLength = 24});
  wish.own.push_back(*Prefix::parse("10.244.1.0/24"));
  const auto read = CloudWish::parse(wish.text());
  REQUIRE(read);
  wish.own.clear();
  CHECK(*read == wish);
}

TEST_CASE("a file that is damaged is refused by key") {
  for (const char* text :
       {"", "[]", "{}", R"({"type":"gce"})",
        R"({"type":"gce","node":"a","local4":"x","tables":[],"networks":[]})",
        R"({"type":"gce","node":"a","tables":[],"networks":[]})",
        R"({"type":"gce","node":"a","local4":"10.0.0.1","tables":[1],"networks":[]})",
        R"({"type":"gce","node":"a","local4":"10.0.0.1","tables":[],"networks":[{"network":"10.0.0.0/8"}]})",
        R"({"type":"gce","node":"a","local4":"10.0.0.1","tables":[]})"}) {
    CAPTURE(text);
    CHECK_FALSE(CloudWish::parse(text));
  }
}

}  // namespace
}  // namespace twill
