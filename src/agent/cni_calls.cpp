// SPDX-License-Identifier: Apache-2.0
#include "agent/cni_calls.hpp"

#include <algorithm>
#include <cctype>

#include "agent/agent.hpp"
#include "cni/call.hpp"

namespace twill {
namespace {

constexpr std::string_view kPrefix = "twill-";

/// The plugin's variables out of the request's headers: twill-cni_command is CNI_COMMAND.
cni::Environment environmentOf(const api::Request& request) {
  cni::Environment environment;
  for (const auto& [name, value] : request.headers) {
    if (!name.starts_with("twill-cni_")) continue;
    std::string variable = name.substr(kPrefix.size());
    std::transform(variable.begin(), variable.end(), variable.begin(),
                   [](unsigned char c) { return std::toupper(c); });
    environment[variable] = value;
  }
  return environment;
}

api::Response answer(int exit, std::string body) {
  return {.body = std::move(body), .headers = {{"Twill-Exit", std::to_string(exit)}}};
}

}  // namespace

api::Response cniCall(Agent& agent, const api::Request& request) {
  auto call = cni::parseCall(environmentOf(request), request.body);
  if (!call) return answer(1, cni::formatError(call.error()));
  auto refuse = [&](const Error& error) {
    return answer(1, cni::formatError(cni::toCniError(error, call->version)));
  };
  if (call->command == cni::Command::del) {
    auto gone = agent.detach(call->request.key());
    return gone ? answer(0, "") : refuse(gone.error());
  }
  auto attachment = agent.attach(call->request);
  return attachment ? answer(0, cni::formatResult(*attachment, call->version)) : refuse(attachment.error());
}

}  // namespace twill
