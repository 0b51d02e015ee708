// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace twill::gossip {

/// The compressed form of `bytes`, with the type byte in front; it may be the longer one. Pure.
[[nodiscard]] std::string compressMessage(std::string_view bytes);
/// What a compressed message contains. `body`: without the type byte. Kind::invalid: malformed, of another
/// algorithm than LZW, empty, or more than `limit` bytes. Pure.
[[nodiscard]] Result<std::string> expandMessage(std::string_view body, std::size_t limit);

}  // namespace twill::gossip
