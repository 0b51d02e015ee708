// SPDX-License-Identifier: Apache-2.0
#include "ipam/pool.hpp"

#include <vector>

#include <doctest/doctest.h>

using namespace twill;

namespace {

IpAddress ip(const char* text) {
  return *IpAddress::parse(text);
}

using Pools = std::vector<AddressPool>;

const Pools kBridge{{.subnet = *Prefix::parse("172.16.0.0/29"), .gateway = ip("172.16.0.1")}};
const Pools kTwo{{.subnet = *Prefix::parse("10.1.0.0/24"), .from = ip("10.1.0.10"), .to = ip("10.1.0.11")},
                 {.subnet = *Prefix::parse("10.2.0.0/24"), .from = ip("10.2.0.20"), .to = ip("10.2.0.21")}};

Result<IpAddress> next(const Pools& pools, const TakenAddresses& taken, std::optional<IpAddress> last) {
  return nextAddress(
      pools, [&](const IpAddress& address) { return taken.contains(address); }, last);
}

/// All that can be had, in order.
std::string drain(const Pools& pools, std::optional<IpAddress> last) {
  TakenAddresses taken;
  std::string all;
  while (auto address = next(pools, taken, last)) {
    all += address->text() + " ";
    taken[*address] = "x";
    last = *address;
  }
  return all;
}

}  // namespace

TEST_CASE("the gateway, the network's and the broadcast address are never handed out") {
  CHECK(drain(kBridge, {}) == "172.16.0.2 172.16.0.3 172.16.0.4 172.16.0.5 172.16.0.6 ");
  TakenAddresses all;
  for (unsigned i = 2; i < 7; ++i) all[kBridge[0].subnet.address().plus(i)] = "x";
  CHECK(next(kBridge, all, {}).error().text ==
        "no IP addresses available in range 172.16.0.1-172.16.0.6: all are taken");
}

TEST_CASE("an address that was freed rests until the others had their turn") {
  TakenAddresses taken = {{ip("172.16.0.3"), "x"}};
  CHECK(next(kBridge, taken, ip("172.16.0.3"))->text() == "172.16.0.4");
  CHECK(next(kBridge, taken, ip("172.16.0.6"))->text() == "172.16.0.2");
  CHECK(next(kBridge, taken, ip("10.0.0.1"))->text() == "172.16.0.2");
}

TEST_CASE("ranges of one set are gone through one after the other, and round again") {
  CHECK(drain(kTwo, {}) == "10.1.0.10 10.1.0.11 10.2.0.20 10.2.0.21 ");
  CHECK(drain(kTwo, ip("10.2.0.20")) == "10.2.0.21 10.1.0.10 10.1.0.11 10.2.0.20 ");
  CHECK(drain(kTwo, ip("10.1.0.11")) == "10.2.0.20 10.2.0.21 10.1.0.10 10.1.0.11 ");
  CHECK(drain({}, {}).empty());
}

TEST_CASE("without a gateway the first address is handed out too") {
  CHECK(next({{.subnet = kBridge[0].subnet}}, {}, {})->text() == "172.16.0.1");
  CHECK(drain({{.subnet = *Prefix::parse("10.0.0.7/32")}}, {}) == "10.0.0.7 ");
  CHECK(drain({{.subnet = *Prefix::parse("255.255.255.254/31")}}, {}) == "255.255.255.254 255.255.255.255 ");
  AddressPool six{.subnet = *Prefix::parse("fd00:1::/64"), .gateway = ip("fd00:1::1")};
  CHECK(next({six}, {}, {})->text() == "fd00:1::2");
  CHECK(six.last().text() == "fd00:1::ffff:ffff:ffff:ffff");
}

TEST_CASE("an address that was asked for is checked, and the error says who has it") {
  TakenAddresses taken = {{ip("172.16.0.3"), "net/web/eth0"}};
  CHECK(checkAddress(kBridge, taken, ip("172.16.0.4")));
  CHECK(checkAddress(kTwo, taken, ip("10.2.0.20")));
  CHECK(checkAddress(kBridge, taken, ip("172.16.0.3")).error().text.find("net/web/eth0") !=
        std::string::npos);
  CHECK(checkAddress(kBridge, taken, ip("172.16.0.1")).error().text.find("gateway") != std::string::npos);
  CHECK(checkAddress(kTwo, taken, ip("10.1.0.12")).error().text ==
        "requested address 10.1.0.12 is not in range 10.1.0.10-10.1.0.11, 10.2.0.20-10.2.0.21");
  for (const char* outside : {"172.16.0.0", "172.16.0.7", "172.16.1.1", "fd00::1"}) {
    CHECK_FALSE(checkAddress(kBridge, taken, ip(outside)));
  }
}
