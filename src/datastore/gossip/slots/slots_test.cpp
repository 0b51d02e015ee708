// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/slots/slots.hpp"

#include <doctest/doctest.h>

using namespace twill;
using namespace twill::gossip;

namespace {

NetworkConfig config(const std::string& json) {
  const auto read = parseNetworkConfig(json);
  REQUIRE(read);
  return *read;
}

Result<std::uint32_t> slotOf(const std::string& address, const std::string& underlay, std::uint32_t slots) {
  return slotOfAddress(*IpAddress::parse(address), *Prefix::parse(underlay), slots);
}

}  // namespace

TEST_CASE("a pool has a slot for each subnet from SubnetMin to SubnetMax") {
  const auto usual = config(R"({"Network":"10.32.0.0/12"})");
  CHECK(slotCount(usual) == 4095);  // the first subnet is left out
  CHECK(subnetsOf(usual, 0).v4 == *Prefix::parse("10.32.1.0/24"));
  CHECK(subnetsOf(usual, 4094).v4 == *Prefix::parse("10.47.255.0/24"));
  CHECK_FALSE(subnetsOf(usual, 0).v6);
  const auto cut = config(R"({"Network":"10.32.0.0/12","SubnetMin":"10.32.8.0","SubnetMax":"10.32.9.0"})");
  CHECK(slotCount(cut) == 2);
  CHECK(subnetsOf(cut, 1).v4 == *Prefix::parse("10.32.9.0/24"));
}

TEST_CASE("with two families the one with fewer subnets counts, and a slot has one of each") {
  const auto both =
      config(R"({"Network":"10.32.0.0/16","EnableIPv6":true,"IPv6Network":"fd42::/60","IPv6SubnetLen":64})");
  CHECK(slotCount(both) == 15);
  CHECK(subnetsOf(both, 14).v4 == *Prefix::parse("10.32.15.0/24"));
  CHECK(subnetsOf(both, 14).v6 == *Prefix::parse("fd42:0:0:f::/64"));
}

TEST_CASE("a pool of very many subnets is cut into no more slots than a table can hold") {
  const auto large = config(R"({"EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"fd42::/32"})");
  CHECK(slotCount(large) == kMostSlots);
  CHECK(subnetsOf(large, kMostSlots - 1).v6 == *Prefix::parse("fd42:0:1::/64"));
}

TEST_CASE("a slot follows from an address, and two addresses never have one") {
  CHECK(slotOf("192.0.2.1", "192.0.2.0/24", 4095) == 1U);
  CHECK(slotOf("192.0.2.254", "192.0.2.0/24", 255) == 254U);
  CHECK(slotOf("10.1.15.254", "10.1.0.0/20", 4095) == 4094U);
  CHECK(slotOf("192.0.2.1", "192.0.2.0/31", 2) == 1U);
  CHECK(slotOf("192.0.2.7", "192.0.2.7/32", 1) == 0U);
}

TEST_CASE("an address without a slot is refused with the reason") {
  const auto textOf = [](const Result<std::uint32_t>& slot) { return slot ? "" : slot.error().text; };
  CHECK(textOf(slotOf("10.1.0.5", "10.1.0.0/20", 4094)).find("needs 4095 slots") != std::string::npos);
  CHECK(textOf(slotOf("10.2.0.5", "10.1.0.0/20", 4095)).find("10.2.0.5 in 10.1.0.0/20 is none") !=
        std::string::npos);
  CHECK(textOf(slotOf("192.0.2.0", "192.0.2.0/24", 255)).find("first or last") != std::string::npos);
  CHECK(textOf(slotOf("192.0.2.255", "192.0.2.0/24", 256)).find("first or last") != std::string::npos);
  CHECK(textOf(slotOf("fd00::1", "fd00::/64", 255)).find("IPv4") != std::string::npos);
  CHECK_FALSE(slotOf("10.0.0.1", "0.0.0.0/0", kMostSlots));
}

TEST_CASE("a pool is the same as long as no slot means another subnet") {
  const auto one = config(R"({"Network":"10.32.0.0/16","Backend":{"Type":"vxlan"}})");
  CHECK(samePool(one, config(R"({"Network":"10.32.0.0/16","Backend":{"Type":"host-gw"}})")));
  CHECK_FALSE(samePool(one, config(R"({"Network":"10.32.0.0/16","SubnetLen":25})")));
  CHECK_FALSE(samePool(one, config(R"({"Network":"10.32.0.0/16","SubnetMin":"10.32.9.0"})")));
  CHECK(poolText(one) == "10.32.0.0/16 in /24 from 10.32.1.0 to 10.32.255.0");
}
