// SPDX-License-Identifier: Apache-2.0
#include "net/checksum.hpp"

#include <cstring>

#include <arpa/inet.h>

namespace twill {

// One's complement sums do not mind the byte order (RFC 1071, 2B), so that memory is added as it is. Carries
// pile up in the upper half: 2^32 words fit.
std::uint64_t addToChecksum(std::span<const std::uint8_t> bytes, std::uint64_t sum) {
  const std::uint8_t* at = bytes.data();
  std::size_t left = bytes.size();
  // Independent sums, which a compiler makes vectors of.
  std::uint64_t sums[8] = {};
  for (; left >= 32; left -= 32, at += 32) {
    std::uint32_t words[8];
    std::memcpy(words, at, sizeof words);
    for (int i = 0; i < 8; ++i) sums[i] += words[i];
  }
  for (const auto part : sums) sum += part;
  for (; left >= 4; left -= 4, at += 4) {
    std::uint32_t word = 0;
    std::memcpy(&word, at, sizeof word);
    sum += word;
  }
  for (; left >= 2; left -= 2, at += 2) {
    std::uint16_t word = 0;
    std::memcpy(&word, at, sizeof word);
    sum += word;
  }
  if (left > 0) {
    std::uint16_t word = 0;
    std::memcpy(&word, at, 1);
    sum += word;
  }
  return sum;
}

std::uint64_t addToChecksum(std::uint16_t hostOrder, std::uint64_t sum) {
  return sum + htons(hostOrder);
}

std::uint16_t foldChecksum(std::uint64_t sum) {
  while (sum >> 16U != 0) sum = (sum & 0xffffU) + (sum >> 16U);
  return static_cast<std::uint16_t>(~sum);
}

}  // namespace twill
