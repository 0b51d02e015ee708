// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/paint.hpp"

namespace twill {

/// `text` in a colour when stdout is a terminal and NO_COLOR (no-color.org) is not set, else as it is.
[[nodiscard]] std::string paint(Tone tone, std::string_view text);

}  // namespace twill
