// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace twill {

/// How a part of a text stands out; whoever shows it decides what that looks like.
enum class Tone : std::uint8_t { good, bad, dim, bold };
using Paint = std::function<std::string(Tone, std::string_view)>;

/// For output that is no terminal.
[[nodiscard]] inline std::string plainPaint(Tone, std::string_view text) {
  return std::string(text);
}

}  // namespace twill
