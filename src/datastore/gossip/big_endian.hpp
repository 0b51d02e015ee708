// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace twill::gossip {

/// Appends the low `bytes` bytes of `value`, the highest first.
inline void appendBig(std::string& to, std::uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) to += static_cast<char>(value >> shift & 0xffU);
}

/// The number that all of `bytes`, at most eight, make.
[[nodiscard]] inline std::uint64_t bigOf(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char each : bytes) value = value << 8U | static_cast<std::uint8_t>(each);
  return value;
}

}  // namespace twill::gossip
