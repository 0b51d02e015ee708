// SPDX-License-Identifier: Apache-2.0
#include "net/checksum.hpp"

#include <vector>

#include <arpa/inet.h>
#include <doctest/doctest.h>

using namespace twill;

namespace {

std::uint16_t slowly(const std::vector<std::uint8_t>& bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); i += 2)
    sum += static_cast<std::uint32_t>(bytes[i] << 8U) | (i + 1 < bytes.size() ? bytes[i + 1] : 0U);
  while (sum > 0xffff) sum = (sum & 0xffffU) + (sum >> 16U);
  return static_cast<std::uint16_t>(~sum);
}

}  // namespace

TEST_CASE("the checksum of RFC 1071's example") {
  const std::vector<std::uint8_t> bytes{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  CHECK(ntohs(foldChecksum(addToChecksum(bytes))) == 0x220d);
}

TEST_CASE("any length, any place, in one piece or in two, as RFC 1071 would add it up by hand") {
  std::vector<std::uint8_t> bytes;
  for (unsigned size = 0; size < 200; ++size) {
    CHECK(ntohs(foldChecksum(addToChecksum(bytes))) == slowly(bytes));
    const std::span<const std::uint8_t> all(bytes);
    const auto half = bytes.size() / 4 * 2;
    CHECK(foldChecksum(addToChecksum(all.subspan(half), addToChecksum(all.first(half)))) ==
          foldChecksum(addToChecksum(bytes)));
    bytes.push_back(static_cast<std::uint8_t>(255U - size * 7U));
  }
}

TEST_CASE("a number counts as its two bytes would") {
  const std::vector<std::uint8_t> bytes{0x12, 0x34};
  CHECK(foldChecksum(addToChecksum(0x1234, 0)) == foldChecksum(addToChecksum(bytes)));
}
