// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "cloud/cloud_routes.hpp"
#include "cloud/http.hpp"

namespace twill::cloud {

/// What a cloud's own word for a refusal means.
struct Meaning {
  std::string_view code;
  Kind kind;
};

/// By the word, or by the HTTP status where that is not known; 0: there was none.
[[nodiscard]] Kind kindOf(std::span<const Meaning> meanings, std::string_view code, long status);

/// What a cloud has said, as it may stand in a log: on one line, `most` bytes at most.
[[nodiscard]] std::string quoted(std::string text, std::size_t most);

/// What the server asks to wait, five minutes at most; 0: it says nothing.
[[nodiscard]] std::chrono::seconds retryAfter(const HttpResponse& response);

}  // namespace twill::cloud
