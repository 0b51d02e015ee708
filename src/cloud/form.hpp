// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace twill::cloud {

/// Parameters of a query, or of a form, in their order.
using Parameters = std::vector<std::pair<std::string, std::string>>;

/// "a=1&b=2", percent-encoded but for A-Z a-z 0-9 - _ . ~ (RFC 3986, 2.3).
[[nodiscard]] std::string formOf(const Parameters& parameters);

}  // namespace twill::cloud
