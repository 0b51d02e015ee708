// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace twill::gossip {

/// RFC 4648, section 4, with padding, on one line. Pure.
[[nodiscard]] std::string toBase64(std::string_view bytes);
/// Kind::invalid: anything else; no blanks are passed over.
[[nodiscard]] Result<std::string> fromBase64(std::string_view text);

}  // namespace twill::gossip
