// SPDX-License-Identifier: Apache-2.0
#include "ipam/pool.hpp"

#include <doctest/doctest.h>

using namespace twill;

namespace {

IpAddress ip(const char* text) {
  return *IpAddress::parse(text);
}

const AddressPool kBridge{.subnet = *Prefix::parse("172.16.0.0/29"), .gateway = ip("172.16.0.1")};

}  // namespace

TEST_CASE("the gateway, the network's and the broadcast address are never handed out") {
  TakenAddresses taken;
  std::optional<IpAddress> last;
  std::string all;
  while (auto next = nextAddress(kBridge, taken, last)) {
    all += next->text() + " ";
    taken[*next] = "x";
    last = *next;
  }
  CHECK(all == "172.16.0.2 172.16.0.3 172.16.0.4 172.16.0.5 172.16.0.6 ");
  CHECK(nextAddress(kBridge, taken, last).error().text ==
        "no IP addresses available in range 172.16.0.1-172.16.0.6: all are taken");
}

TEST_CASE("an address that was freed rests until the others had their turn") {
  TakenAddresses taken = {{ip("172.16.0.3"), "x"}};
  CHECK(nextAddress(kBridge, taken, ip("172.16.0.3"))->text() == "172.16.0.4");
  CHECK(nextAddress(kBridge, taken, ip("172.16.0.6"))->text() == "172.16.0.2");
  CHECK(nextAddress(kBridge, taken, ip("10.0.0.1"))->text() == "172.16.0.2");
}

TEST_CASE("without a gateway the first address is handed out too") {
  CHECK(nextAddress({.subnet = kBridge.subnet}, {}, {})->text() == "172.16.0.1");
  CHECK(nextAddress({.subnet = *Prefix::parse("10.0.0.7/32")}, {}, {})->text() == "10.0.0.7");
  AddressPool six{.subnet = *Prefix::parse("fd00:1::/64"), .gateway = ip("fd00:1::1")};
  CHECK(nextAddress(six, {}, {})->text() == "fd00:1::2");
  CHECK(six.last().text() == "fd00:1::ffff:ffff:ffff:ffff");
}

TEST_CASE("an address that was asked for is checked, and the error says who has it") {
  TakenAddresses taken = {{ip("172.16.0.3"), "net/web/eth0"}};
  CHECK(checkAddress(kBridge, taken, ip("172.16.0.4")));
  CHECK(checkAddress(kBridge, taken, ip("172.16.0.3")).error().text.find("net/web/eth0") !=
        std::string::npos);
  CHECK(checkAddress(kBridge, taken, ip("172.16.0.1")).error().text.find("gateway") != std::string::npos);
  for (const char* outside : {"172.16.0.0", "172.16.0.7", "172.16.1.1", "fd00::1"}) {
    CHECK_FALSE(checkAddress(kBridge, taken, ip(outside)));
  }
}
