// SPDX-License-Identifier: Apache-2.0
#include "cloud/refusals.hpp"

#include <algorithm>
#include <cstdlib>

namespace twill::cloud {

Kind kindOf(std::span<const Meaning> meanings, std::string_view code, long status) {
  const auto found = std::find_if(meanings.begin(), meanings.end(),
                                  [&](const Meaning& meaning) { return meaning.code == code; });
  if (found != meanings.end()) return found->kind;
  if (status == 429) return Kind::throttled;
  if (status == 401 || status == 403) return Kind::auth;
  if (status == 404) return Kind::missing;
  if (status == 409) return Kind::exists;
  return status >= 500 || status == 0 ? Kind::transient : Kind::permanent;
}

std::string quoted(std::string text, std::size_t most) {
  if (text.size() > most) text.resize(most);
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; }, ' ');
  return text;
}

std::chrono::seconds retryAfter(const HttpResponse& response) {
  return std::chrono::seconds(std::clamp(std::atoi(response.header("retry-after").c_str()), 0, 300));
}

}  // namespace twill::cloud
