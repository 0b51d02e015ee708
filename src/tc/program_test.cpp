// SPDX-License-Identifier: Apache-2.0
#include "tc/program.hpp"

#include <doctest/doctest.h>

using namespace twill;

TEST_CASE("addresses of both families have one form in the programs' maps") {
  const auto four = tc::mapped(IpAddress::parse("10.1.2.3").value());
  CHECK(four == std::array<std::uint8_t, 16>{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3});
  CHECK(tc::mapped(IpAddress::parse("fd42::1").value())[0] == 0xfd);
  CHECK(tc::mappedLength(*Prefix::parse("10.1.2.0/24")) == 120);
  CHECK(tc::mappedLength(*Prefix::parse("fd42::/64")) == 64);
}
