// SPDX-License-Identifier: Apache-2.0
#include "agent/cni_calls.hpp"

#include <algorithm>
#include <cctype>

#include "agent/agent.hpp"
#include "attach/host_local.hpp"
#include "base/file.hpp"
#include "cni/call.hpp"
#include "kernel/netns.hpp"

namespace twill {
namespace {

constexpr std::string_view kPrefix = "twill-";
constexpr std::size_t kLongestResolvConf = 65536;
constexpr const char* kNoOverride =
    "; CNI_NETNS_OVERRIDE does not change that: Twill attaches containers, not the node";

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

/// The answer to a call that has no result.
api::Response done(const Result<void>& result, const cni::Call& call) {
  if (result) return answer(0, "");
  cni::CniError error = cni::toCniError(result.error(), call.version);
  if (call.command == cni::Command::check && result.error().kind == Error::Kind::missing) {
    error.code = cni::kUnknownContainer;
  }
  return answer(1, cni::formatError(error));
}

/// Not ready: what is wanted is not in the kernel, so that containers may be cut off.
api::Response status(const Agent& agent, const cni::Call& call) {
  cni::CniError error{.code = cni::kUnavailable, .msg = "", .details = "", .version = call.version};
  AttachRequest request = call.request;
  if (!call.delegate.empty()) request.given.emplace();  // addresses are the other plugin's business
  if (auto could = agent.couldAttach(request); !could) {
    error.msg = could.error().text;
  } else if (!agent.ready() && !agent.attachments().all().empty()) {
    const auto problems = agent.problems().all();
    error.code = cni::kUnavailableAndSuffering;
    error.msg =
        problems.empty() ? "not all that is wanted is in the kernel; see twill diff" : problems.front();
  }
  return error.msg.empty() ? answer(0, "") : answer(1, cni::formatError(error));
}

/// The result of an ADD.
Result<std::string> add(Agent& agent, cni::Call& call) {
  if (!call.delegate.empty() && !call.request.given) {
    return fail("ipam.type is " + call.delegate +
                    ", but there is no result of that plugin; twill-cni hands one over under the key ipam",
                Error::Kind::invalid);
  }
  if (!call.resolvConf.empty()) {
    TWILL_TRY(const std::string text, readFile(call.resolvConf, kLongestResolvConf));
    call.dns = cni::dnsOf(text);
  }
  TWILL_TRY(const Attachment attachment, agent.attach(call.request));
  return cni::formatResult(attachment, call);
}

/// For this the reference library lets a plugin work in the node's own namespace. Both ends of an interface
/// of ours would be the node's.
bool wantsOverride(const cni::Environment& environment) {
  const auto found = environment.find("CNI_NETNS_OVERRIDE");
  if (found == environment.end()) return false;
  std::string word = found->second;
  std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return std::tolower(c); });
  return word == "1" || word == "true";
}

bool isOwnNamespace(const std::string& path) {
  const auto netns = openNamespace(path);
  const auto own = ownNamespace();
  return netns && own && sameNamespace(*netns, *own);
}

}  // namespace

api::Response cniCall(Agent& agent, const api::Request& request) {
  const auto environment = environmentOf(request);
  auto call = cni::parseCall(environment, request.body);
  if (!call) return answer(1, cni::formatError(call.error()));
  switch (call->command) {
    case cni::Command::add: {
      const auto result = add(agent, *call);
      if (result) return answer(0, *result);
      cni::CniError error = cni::toCniError(result.error(), call->version);
      const bool isOwn = error.code == cni::kBadNamespace && isOwnNamespace(call->request.netns);
      if (isOwn && wantsOverride(environment)) error.msg += kNoOverride;
      return answer(1, cni::formatError(error));
    }
    case cni::Command::del:
      hostLocal::release(call->request.hostLocalDir, call->request.network, call->request.containerId,
                         call->request.ifname);
      return done(agent.detach(call->request.key()), *call);
    case cni::Command::check:
      return done(agent.check(call->request.key(), call->expected), *call);
    case cni::Command::gc:
      return done(agent.collect(call->request.network, call->valid), *call);
    case cni::Command::status:
      return status(agent, *call);
  }
  return answer(1, cni::formatError({}));
}

}  // namespace twill
