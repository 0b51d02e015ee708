// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/lzw.hpp"

#include <boost/crc.hpp>
#include <doctest/doctest.h>

#include "datastore/gossip/samples.hpp"

using namespace twill;
using namespace twill::gossip;
using samples::fromHex;

namespace {

constexpr std::size_t kLimit = 1U << 20U;

/// Pseudo-random bytes, of which `mask` leaves some bits.
std::string noise(std::size_t size, std::uint32_t mask) {
  std::string bytes;
  std::uint32_t x = 1;
  for (std::size_t i = 0; i < size; ++i) {
    x = x * 1664525U + 1013904223U;
    bytes += static_cast<char>(x >> 24U & mask);
  }
  return bytes;
}

std::string errorOf(std::string_view compressed, std::size_t limit = kLimit) {
  auto expanded = lzwExpand(compressed, limit);
  if (expanded) return "";
  CHECK(expanded.error().kind == Error::Kind::invalid);
  return expanded.error().text;
}

}  // namespace

TEST_CASE("compressing gives the bytes that Go gives") {
  CHECK(lzwCompress("") == fromHex("000302"));
  CHECK(lzwCompress("a") == fromHex("00c30404"));
  CHECK(lzwCompress(std::string(300, '\0')) ==
        fromHex("0001081c48b0a0c18308132a5cc8b0a1c38710234a9c48b1a2c58b180302"));
  // Crosses many changes of width, and full tables.
  const std::string compressed = lzwCompress(noise(100'000, 15));
  CHECK(compressed.size() == 62616);
  boost::crc_32_type crc;
  crc.process_bytes(compressed.data(), compressed.size());
  CHECK(crc.checksum() == 0x3a6730f2);
}

TEST_CASE("what was compressed expands to what it was") {
  CHECK(lzwExpand(fromHex("000302"), 0) == "");
  for (const std::uint32_t mask : {0U, 1U, 15U, 255U}) {
    for (const std::size_t size : {1U, 2U, 3U, 255U, 300U, 3837U, 3838U, 3839U, 3840U, 3841U, 20'000U}) {
      CAPTURE(mask);
      CAPTURE(size);
      const std::string bytes = noise(size, mask);
      auto expanded = lzwExpand(lzwCompress(bytes), size);
      REQUIRE(expanded.has_value());
      CHECK((*expanded == bytes));
    }
  }
}

TEST_CASE("a stream that is full and never cleared expands as Go expands it") {
  // Literals only, more than there are codes: 9 bits up to code 511, 10 up to 1023, 11, and 12 from there on.
  std::string bytes;
  std::uint64_t bits = 0;
  unsigned count = 0;
  unsigned width = 9;
  std::uint32_t next = 257;
  const auto put = [&](std::uint64_t code) {
    bits |= code << count;
    for (count += width; count >= 8; count -= 8, bits >>= 8U) bytes += static_cast<char>(bits & 0xffU);
    if (++next == 1U << width && width < 12) ++width;
  };
  for (int i = 0; i < 6000; ++i) put('a' + static_cast<unsigned>(i % 26));
  put(4095);  // the last that was added, for the 3839th letter and the next
  put(4095);
  put(257);
  bytes += static_cast<char>(bits);
  auto expanded = lzwExpand(bytes, kLimit);
  REQUIRE(expanded.has_value());
  REQUIRE(expanded->size() == 6004);
  CHECK(expanded->substr(6000, 2) == expanded->substr(3837, 2));
  CHECK(expanded->substr(6002, 2) == expanded->substr(3837, 2));
}

TEST_CASE("expanding stops at the limit") {
  const std::string compressed = lzwCompress(std::string(300, '\0'));
  CHECK(lzwExpand(compressed, 300).has_value());
  CHECK(errorOf(compressed, 299) == "LZW: expands to more than 299 bytes");
  CHECK(errorOf(lzwCompress("a"), 0) == "LZW: expands to more than 0 bytes");
}

TEST_CASE("a stream that is cut at any byte is refused") {
  const std::string compressed = lzwCompress(noise(1000, 15));
  for (std::size_t size = 0; size < compressed.size(); ++size) {
    CAPTURE(size);
    CHECK(errorOf(std::string_view(compressed).substr(0, size)) == "LZW: cut short");
  }
}

TEST_CASE("a code that nothing stands for yet is refused") {
  // After the clear of 9 bits: 258 as the first code, then 'a' and 259.
  CHECK(errorOf(fromHex("000502")) == "LZW: a code that nothing stands for");
  CHECK(errorOf(fromHex("00c30c04")) == "LZW: a code that nothing stands for");
}
