// SPDX-License-Identifier: Apache-2.0
#include "plan/network_names.hpp"

#include <doctest/doctest.h>

#include "plan/objects.hpp"

using namespace twill;

TEST_CASE("a network without a name has the names of the documentation") {
  CHECK(bridgeOf("") == "twill0");
  CHECK(tunOf("") == "twill-udp");
  CHECK(tableOf("") == kTable);
  CHECK(routingTableOf("") == kRoutingTable);
}

TEST_CASE("a name is in each of its objects' names, which fit the kernel's") {
  CHECK(bridgeOf("blue") == "twill0-blue");
  CHECK(tunOf("blue") == "tw-udp-blue");
  CHECK(tableOf("blue") == "inet twill_blue");
  CHECK(isTableName(tableOf("blue")));
  CHECK_FALSE(isTableName("inet twillx"));
  for (const char* name : {"12345678", "123456789", "a-name-that-is-as-long-as-it-gets"}) {
    CHECK(bridgeOf(name).size() <= 15);
    CHECK(tunOf(name).size() <= 15);
  }
  CHECK(bridgeOf("a-long-name") != bridgeOf("a-long-other"));
  CHECK(routingTableOf("blue") != routingTableOf("red"));
  CHECK(isRoutingTable(routingTableOf("blue")));
  CHECK_FALSE(isRoutingTable(254));
}

TEST_CASE("bridges are known by their names, and nothing else is") {
  for (const char* name : {"", "blue", "a-long-name"}) CHECK(isBridgeName(bridgeOf(name)));
  for (const char* link : {"twill01", "twill", "cni0", "twill-udp"}) CHECK_FALSE(isBridgeName(link));
}

TEST_CASE("what cannot be a part of a path, a key or a rule is no name") {
  CHECK(checkNetworkName("Blue_7-b"));
  for (const char* name : {"", "a/b", "..", "a b", "a\n", "\xc3\xa4", "123456789012345678901234567890123"}) {
    CHECK_FALSE(checkNetworkName(name));
  }
}
