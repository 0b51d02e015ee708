// SPDX-License-Identifier: Apache-2.0
#include "cni/call.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "cni/config.hpp"
#include "cni/ipam.hpp"
#include "cni/prev_result.hpp"

namespace twill::cni {
namespace {

constexpr std::array kVersions = {"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"};

std::string valueOf(const Environment& environment, const std::string& name) {
  auto found = environment.find(name);
  return found == environment.end() ? "" : found->second;
}

CniError badEnvironment(std::string msg) {
  return {.code = kBadEnvironment, .msg = std::move(msg), .details = ""};
}

/// [a-zA-Z0-9][a-zA-Z0-9_.-]*: container ids and network names.
bool isName(std::string_view text) {
  auto fits = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '.' || c == '-'; };
  return !text.empty() && std::isalnum(static_cast<unsigned char>(text[0])) != 0 &&
         std::all_of(text.begin(), text.end(), fits);
}

/// What Linux takes as an interface's name: 1 to 15 bytes (IFNAMSIZ), no '/', ':' or white space, not "." or
/// "..".
bool isInterfaceName(std::string_view text) {
  auto fits = [](unsigned char c) { return c > ' ' && c != '/' && c != ':' && c != 0x7f; };
  return !text.empty() && text.size() <= 15 && text != "." && text != ".." &&
         std::all_of(text.begin(), text.end(), fits);
}

/// Results and records are JSON, which has no other text.
bool isUtf8(const std::string& text) {
  using Handler = nlohmann::json::error_handler_t;
  const nlohmann::json json(text);
  return json.dump(-1, ' ', false, Handler::ignore) == json.dump(-1, ' ', false, Handler::replace);
}

struct Verb {
  std::string_view name;
  Command command;
  std::string_view since;  ///< the first version that has it
};
constexpr std::array kVerbs{Verb{"ADD", Command::add, "0.1.0"}, Verb{"DEL", Command::del, "0.1.0"},
                            Verb{"CHECK", Command::check, "0.4.0"}, Verb{"GC", Command::gc, "1.1.0"},
                            Verb{"STATUS", Command::status, "1.1.0"}};

/// `version` is one of kVersions, which sort as text.
CniResult<Command> commandOf(const std::string& text, const std::string& version) {
  const auto verb =
      std::find_if(kVerbs.begin(), kVerbs.end(), [&](const Verb& known) { return known.name == text; });
  if (verb == kVerbs.end()) {
    return tl::unexpected(badEnvironment(
        fmt::format("CNI_COMMAND {} is not one of ADD, DEL, CHECK, GC, STATUS, VERSION", text)));
  }
  if (version >= verb->since) return verb->command;
  return tl::unexpected(
      CniError{.code = kBadVersion,
               .msg = fmt::format("{} came with CNI {}; the network config says cniVersion {}", text,
                                  verb->since, version),
               .details = ""});
}

CniResult<void> readEnvironment(const Environment& environment, Command command, AttachRequest& request) {
  request.containerId = valueOf(environment, "CNI_CONTAINERID");
  request.ifname = valueOf(environment, "CNI_IFNAME");
  request.netns = valueOf(environment, "CNI_NETNS");
  const bool ofNetwork = command == Command::gc || command == Command::status;
  std::vector<std::string> needed = {"CNI_PATH"};
  if (!ofNetwork) needed = {"CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"};
  if (command == Command::del) std::erase(needed, "CNI_NETNS");
  std::erase_if(needed, [&](const std::string& name) { return !valueOf(environment, name).empty(); });
  if (!needed.empty()) {
    return tl::unexpected(
        badEnvironment(fmt::format("missing in the environment: {}", fmt::join(needed, ", "))));
  }
  if (ofNetwork) return {};
  if (!isName(request.containerId)) {
    return tl::unexpected(
        badEnvironment("CNI_CONTAINERID " + request.containerId + " is not a container id"));
  }
  if (!isInterfaceName(request.ifname)) {
    return tl::unexpected(badEnvironment("CNI_IFNAME " + request.ifname +
                                         " is not an interface name (1 to 15 bytes, "
                                         "no blank, '/' or ':')"));
  }
  if (command == Command::del) return {};
  for (const char* name : {"CNI_IFNAME", "CNI_NETNS"}) {
    if (!isUtf8(valueOf(environment, name))) {
      return tl::unexpected(
          badEnvironment(fmt::format("{} {} is not UTF-8", name, valueOf(environment, name))));
    }
  }
  return {};
}

}  // namespace

CniResult<Call> parseCall(const Environment& environment, std::string_view config) {
  Call call;
  auto json = decodeConfig(config);
  if (!json) return tl::unexpected(json.error());
  auto version = versionOf(*json);
  if (!version) return tl::unexpected(version.error());
  call.version = std::move(*version);
  auto refuse = [&](CniError error) {
    error.version = call.version;
    return tl::unexpected(std::move(error));
  };
  if (std::find(kVersions.begin(), kVersions.end(), call.version) == kVersions.end()) {
    return refuse(
        {.code = kBadVersion,
         .msg = fmt::format("cniVersion {} is not one of {}", call.version, fmt::join(kVersions, ", ")),
         .details = ""});
  }
  auto command = commandOf(valueOf(environment, "CNI_COMMAND"), call.version);
  if (!command) return refuse(command.error());
  call.command = *command;
  if (auto read = readEnvironment(environment, call.command, call.request); !read)
    return refuse(read.error());
  auto name = json->find("name");
  if (name == json->end() || !name->is_string() || !isName(name->get<std::string>())) {
    return refuse(
        {.code = kBadConfig,
         .msg = "name: the network config has none, or one with other characters than letters, digits, _ . -",
         .details = ""});
  }
  call.request.network = *name;
  if (call.command == Command::del) {
    // Of the rest only what is understood: whatever the config has become, the interface can go.
    (void)readIpam(*json, call);
    return call;
  }
  if (auto read = readLeftovers(*json, call); !read) return refuse(read.error());
  if (auto read = readIpam(*json, call); !read) return refuse(read.error());
  call.expected.netns = call.request.netns;
  if (call.command == Command::gc) return call;
  if (auto read = readConfig(*json, valueOf(environment, "CNI_ARGS"), call.request); !read)
    return refuse(read.error());
  // Who says which plugin chooses the addresses leaves the routes to that one, too, as with the stock
  // plugins.
  if (!call.delegate.empty() && !call.request.defaultRoute) call.request.defaultRoute = false;
  if (needsInterface(call.delegate) && call.request.mode == AttachMode::routed) {
    return refuse(bad("ipam.type", call.delegate, "possible without a bridge; leave out \"attach\"").value());
  }
  return call;
}

std::string versionAnswer(std::string_view config) {
  const auto json = decodeConfig(config);
  std::string version = kVersions.back();
  if (json && json->contains("cniVersion")) version = versionOf(*json).value_or(version);
  return nlohmann::ordered_json{{"cniVersion", version}, {"supportedVersions", kVersions}}.dump() + "\n";
}

}  // namespace twill::cni
