// SPDX-License-Identifier: Apache-2.0
// What plugins say to one another.
#include <nlohmann/json.hpp>

#include "cni/config.hpp"

namespace twill::cni {
namespace {

using Json = nlohmann::json;

/// 0 when the output is no error object.
int codeOf(std::string_view output) {
  const Json json = Json::parse(output, nullptr, false);
  const Json* code = memberOf(json, "code");
  return code != nullptr && code->is_number_integer() ? code->get<int>() : 0;
}

}  // namespace

CniResult<std::string> withIpamResult(std::string_view config, std::string_view result) {
  auto json = decodeConfig(config);
  if (!json) return tl::unexpected(json.error());
  Json answer = Json::parse(result, nullptr, false);
  if (!answer.is_object()) {
    return tl::unexpected(CniError{
        .code = kUndecodable, .msg = "the ipam plugin's result is not a JSON object", .details = ""});
  }
  (*json)["ipam"][kIpamResult] = std::move(answer);
  return json->dump();
}

bool isErrorObject(std::string_view output) {
  return codeOf(output) != 0;
}

bool isUnknownVerb(std::string_view output) {
  const int code = codeOf(output);
  return code == kBadEnvironment || code == kBadVersion;
}

}  // namespace twill::cni
