// SPDX-License-Identifier: Apache-2.0
#include "tc/program.hpp"

#include <algorithm>
#include <cstring>

#include <doctest/doctest.h>
#include <prefix_key.h>

using namespace twill;

TEST_CASE("addresses of both families have one form in the programs' maps") {
  const auto four = tc::mapped(IpAddress::parse("10.1.2.3").value());
  CHECK(four == std::array<std::uint8_t, 16>{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3});
  CHECK(tc::mapped(IpAddress::parse("fd42::1").value())[0] == 0xfd);
  prefix_key key{};
  const auto read = [&](const char* prefix) {
    const auto bytes = tc::keyOf(*Prefix::parse(prefix));
    REQUIRE(bytes.size() == sizeof key);
    std::memcpy(&key, bytes.data(), sizeof key);
  };
  read("10.1.2.0/24");
  CHECK(key.length == 120);
  CHECK(std::ranges::equal(key.address, tc::mapped(*IpAddress::parse("10.1.2.0"))));
  read("fd42::/64");
  CHECK(key.length == 64);
}
