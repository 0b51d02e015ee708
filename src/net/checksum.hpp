// SPDX-License-Identifier: Apache-2.0
// The Internet checksum (RFC 1071), in parts: a packet's is made of its pseudo-header's, header's and
// payload's.
#pragma once

#include <cstdint>
#include <span>

namespace twill {

/// Adds `bytes`, as 16-bit words, to `sum`. All but the last part must be of even length. A sum is to be
/// passed on and folded, not looked at.
[[nodiscard]] std::uint64_t addToChecksum(std::span<const std::uint8_t> bytes, std::uint64_t sum = 0);

/// Adds a 16-bit number that is in host order.
[[nodiscard]] std::uint64_t addToChecksum(std::uint16_t hostOrder, std::uint64_t sum);

/// The checksum to be stored, in network order as it stands in memory. Over a whole packet that is sound,
/// checksum included, it is 0.
[[nodiscard]] std::uint16_t foldChecksum(std::uint64_t sum);

}  // namespace twill
