// SPDX-License-Identifier: Apache-2.0
#include "datastore/bgp/lingering.hpp"

#include <doctest/doctest.h>

#include "datastore/bgp/bird_config.hpp"

using namespace twill;
using namespace twill::bgp;

namespace {

IpAddress ip(const char* text) {
  return IpAddress::parse(text).value();
}
Prefix prefix(const char* text) {
  return Prefix::parse(text).value();
}

const IpAddress kHop = ip("10.0.0.20");
const Announcement kBlock{prefix("10.244.1.0/24"), kHop, "record"};
const Announcement kBlock6{prefix("fd44:0:0:1::/64"), nextHop6Of(kHop), "record"};
const Announcement kOther{prefix("10.244.2.0/24"), ip("10.0.0.30"), "other"};

SignHeard says(std::optional<std::uint32_t> sign) {
  return [sign](const Announcement&) { return sign; };
}

}  // namespace

TEST_CASE("what BGP withdraws stays while its owner says that it has all it had") {
  const auto sign = signOf("record", {kBlock6.prefix, kBlock.prefix});
  CHECK(sign == signOf("record", {kBlock.prefix, kBlock6.prefix}));
  const std::vector before{kBlock, kOther, kBlock6};
  CHECK(withLingering(before, {kOther}, says(sign)) == before);
  CHECK(withLingering(before, {kBlock, kOther}, says(sign)) == before);
  CHECK(withLingering(before, before, says(std::nullopt)) == before);
}

TEST_CASE("it goes once the owner is silent, or says that it has something else") {
  const std::vector before{kBlock, kOther};
  CHECK(withLingering(before, {kOther}, says(std::nullopt)) == std::vector{kOther});
  CHECK(withLingering(before, {kOther}, says(signOf("record", {}))) == std::vector{kOther});
  CHECK(withLingering(before, {kOther}, says(signOf("another", {kBlock.prefix}))) == std::vector{kOther});
}

TEST_CASE("it goes when its owner announces another subnet, or somebody else this one") {
  const auto sign = signOf("record", {kBlock.prefix});
  const Announcement moved{prefix("10.244.7.0/24"), kHop, "record"};
  CHECK(withLingering({kBlock}, {moved}, says(sign)) == std::vector{moved});
  const Announcement taken{kBlock.prefix, ip("10.0.0.30"), "other"};
  CHECK(withLingering({kBlock}, {taken}, says(sign)) == std::vector{taken});
}

TEST_CASE("a router that tells nothing of itself is taken at BGP's word") {
  const Announcement silent{kBlock.prefix, kHop, ""};
  CHECK(withLingering({silent}, {}, says(signOf("", {kBlock.prefix}))).empty());
}
