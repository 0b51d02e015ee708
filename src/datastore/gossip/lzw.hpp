// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.hpp"

/// LZW as Go's compress/lzw writes it with lzw.LSB and literals of 8 bits: codes of 9 to 12 bits from the low
/// end, 256 clears the table and comes first, 257 ends. Pure.
namespace twill::gossip {

[[nodiscard]] std::string lzwCompress(std::string_view bytes);
/// Kind::invalid: malformed, cut, or more than `limit` bytes.
[[nodiscard]] Result<std::string> lzwExpand(std::string_view compressed, std::size_t limit);

}  // namespace twill::gossip
