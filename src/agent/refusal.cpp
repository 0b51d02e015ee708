// SPDX-License-Identifier: Apache-2.0
#include "agent/refusal.hpp"

#include <nlohmann/json.hpp>

namespace twill {

api::Response refusal(const Error& error) {
  using Json = nlohmann::ordered_json;
  const int status = error.kind == Error::Kind::invalid    ? 400
                     : error.kind == Error::Kind::missing  ? 404
                     : error.kind == Error::Kind::conflict ? 409
                                                           : 502;
  // Names in it come from other machines; a broken byte must not stop the answer.
  return {.status = status,
          .body = Json{{"error", error.text}}.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"};
}

}  // namespace twill
