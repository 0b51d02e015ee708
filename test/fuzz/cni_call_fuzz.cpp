// SPDX-License-Identifier: Apache-2.0
// A CNI call of any bytes is an error object, or a request that is in order. The input is lines NAME=VALUE,
// the environment, up to an empty line; the rest is the network config.
#include <algorithm>
#include <cstdlib>

#include <nlohmann/json.hpp>

#include "cni/call.hpp"

using namespace twill;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

cni::Environment takeEnvironment(std::string_view& text) {
  cni::Environment environment;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.empty()) break;
    auto equals = std::min(line.find('='), line.size());
    environment[std::string(line.substr(0, equals))] = line.substr(std::min(equals + 1, line.size()));
  }
  return environment;
}

/// One JSON document on one line, as runtimes read it.
void checkDocument(const std::string& text) {
  auto json = nlohmann::json::parse(text, nullptr, false);
  require(json.is_object() && json.contains("cniVersion") && text.find('\n') == text.size() - 1);
}

void checkError(const cni::CniError& error) {
  require(!error.msg.empty() && error.code > 0);
  checkDocument(cni::formatError(error));
}

/// What becomes part of a path, an interface's name or a key holds nothing that could leave its place.
void checkRequest(const AttachRequest& request) {
  auto isPlain = [](const std::string& text) {
    return !text.empty() && text[0] != '.' && text.find('/') == std::string::npos &&
           text.find('\0') == std::string::npos;
  };
  require(isPlain(request.network) && isPlain(request.containerId));
  require(!request.ifname.empty() && request.ifname.size() < 16 &&
          request.ifname.find('/') == std::string::npos);
  require(request.addresses.size() <= 2);
  require(request.addresses.size() < 2 || request.addresses[0].family() != request.addresses[1].family());
  require(!request.mtu || (*request.mtu >= 68 && *request.mtu <= 65535));
  require(!request.mac || !(request.mac->isMulticast() || request.mac->isZero()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view config(reinterpret_cast<const char*>(data), size);
  const cni::Environment environment = takeEnvironment(config);
  checkDocument(cni::versionAnswer(config));
  auto call = cni::parseCall(environment, config);
  if (!call) {
    checkError(call.error());
    return 0;
  }
  checkRequest(call->request);
  if (call->command != cni::Command::add) return 0;
  const Attachment attachment{.network = call->request.network,
                              .containerId = call->request.containerId,
                              .ifname = call->request.ifname,
                              .netns = call->request.netns,
                              .mode = call->request.mode,
                              .routes = call->request.routes};
  checkDocument(cni::formatResult(attachment, *call));
  auto again = parseAttachment(toJson(attachment));  // the record that the agent keeps
  require(again && *again == attachment);
  return 0;
}
