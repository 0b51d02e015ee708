// SPDX-License-Identifier: Apache-2.0
// twill gossip: the keys that nodes talk with where the map lives on them.
#include <algorithm>
#include <cctype>
#include <iostream>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "agent_call.hpp"
#include "command.hpp"
#include "commands.hpp"
#include "datastore/gossip/base64.hpp"
#include "datastore/gossip/key_file.hpp"
#include "table.hpp"
#include "terminal.hpp"

namespace twill {
namespace {

using Json = nlohmann::json;

constexpr const char* kGossipFooter = R"(Examples:
  twill gossip keygen                 a first key, in /etc/twill/gossip.key
  ssh node2 'umask 077; cat > /etc/twill/gossip.key' < /etc/twill/gossip.key
  twill gossip keys list              which key is on how many nodes)";

constexpr const char* kKeysFooter =
    R"(KEY is a key in base64, its fingerprint (the first 8 hexadecimal digits of
its SHA-256, as list shows it), or - for a line of standard input. What stands
on a command line can be seen by all users of this machine (ps) and stays in
the shell's history: give the fingerprint, or -.

Exit status 1: a node refused, or gave no answer.

Examples, a rotation:
  twill gossip keys add               a new key, on all nodes
  twill gossip keys use 9f86d081      now it encrypts
  twill gossip keys list              on all nodes? Then the old one may go
  twill gossip keys remove 2c26b46b

The new key from somewhere else:
  twill gossip keygen - | twill gossip keys add -)";

constexpr std::size_t kFingerprint = 8;

struct KeyFile {
  std::string path = "/etc/twill/gossip.key";
  bool json = false;
};

Result<int> makeKey(const KeyFile& file) {
  if (file.path == "-") {
    TWILL_TRY(const std::string key, gossip::newKey());
    const std::string text = gossip::toBase64(key);
    fmt::print("{}\n", file.json ? Json{{"key", text}}.dump() : text);
    return 0;
  }
  TWILL_CHECK(gossip::makeKeyFile(file.path));
  if (file.json)
    fmt::print("{}\n", Json{{"file", file.path}}.dump());
  else
    fmt::print("made {}; every node of the cluster needs a copy, for root's eyes only\n", file.path);
  return 0;
}

Result<int> adopt(const Asking& asking) {
  TWILL_TRY(const std::string body, callAgent(asking, {.method = "POST", .target = "/v1/adopt"}));
  if (asking.json) {
    fmt::print("{}", body);
    return 0;
  }
  TWILL_TRY(const Json answer, jsonOf(body));
  fmt::print("the state of {} is this machine's now, and the agent goes on with it\n", text(answer, "node"));
  return 0;
}

struct KeyCall {
  Asking asking;
  std::string key;
  bool show = false;
};

/// Names those that have not done it; the exit status.
int complain(const Json& answer) {
  int status = 0;
  for (const Json& node : answer["nodes"]) {
    if (node["done"] == true) continue;
    fmt::print(stderr, "twill: {} refused: {}\n", text(node, "node"), text(node, "message"));
    status = 1;
  }
  for (const Json& node : answer["silent"]) {
    fmt::print(stderr, "twill: {} gave no answer\n", node.get<std::string>());
    status = 1;
  }
  for (const Json& node : answer["absent"]) {
    fmt::print(stderr, "note: {} has failed and was not asked; it cannot come back without the key in use\n",
               node.get<std::string>());
  }
  return status;
}

Result<int> listKeys(const KeyCall& call) {
  TWILL_TRY(const std::string body,
            callAgent(call.asking, {.target = std::string("/v1/keys") + (call.show ? "?show=true" : "")}));
  TWILL_TRY(const Json answer, jsonOf(body));
  if (call.asking.json) {
    fmt::print("{}", body);
    return complain(answer);
  }
  Table table({"KEY", "ON NODES", "ENCRYPTS ON", call.show ? "BASE64" : ""});
  for (const Json& key : answer["keys"]) {
    table.add({text(key, "fingerprint"), fmt::format("{} of {}", text(key, "nodes"), text(answer, "asked")),
               key["encrypts"] == 0 ? "-" : text(key, "encrypts"), call.show ? text(key, "key") : ""});
  }
  table.print();
  return complain(answer);
}

bool isFingerprint(const std::string& text) {
  return text.size() == kFingerprint &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isxdigit(c) != 0; });
}

/// What the person named, as the key itself.
Result<std::string> keyOf(const KeyCall& call) {
  std::string named = call.key;
  if (named == "-") std::getline(std::cin, named);
  if (!isFingerprint(named)) return named;
  TWILL_TRY(const std::string body, callAgent(call.asking, {.target = "/v1/keys?show=true"}));
  TWILL_TRY(const Json answer, jsonOf(body));
  for (const Json& key : answer["keys"]) {
    if (text(key, "fingerprint") == named) return text(key, "key");
  }
  return fail(fmt::format("no node has a key {}; `twill gossip keys list` shows them", named),
              Error::Kind::invalid);
}

/// The command to all nodes; `done` is what those that did it have done.
Result<int> changeKeys(const KeyCall& call, const std::string& command, const std::string& key,
                       const std::string& done, bool isNew) {
  TWILL_TRY(const std::string body,
            callAgent(call.asking, {.method = "POST",
                                    .target = "/v1/keys",
                                    .body = Json{{"command", command}, {"key", key}}.dump()}));
  TWILL_TRY(Json answer, jsonOf(body));
  if (isNew) answer["key"] = key;
  if (call.asking.json) {
    fmt::print("{}\n", answer.dump(2));
    return complain(answer);
  }
  const auto& nodes = answer["nodes"];
  const auto count =
      std::count_if(nodes.begin(), nodes.end(), [](const Json& n) { return n["done"] == true; });
  if (isNew) fmt::print("new key {}\n", key);
  fmt::print("{} {} on {} of {} nodes\n", text(answer, "fingerprint"), done, count, text(answer, "asked"));
  return complain(answer);
}

Result<int> addKey(const KeyCall& call) {
  if (!call.key.empty()) {
    TWILL_TRY(const std::string key, keyOf(call));
    return changeKeys(call, "add", key, "is", false);
  }
  TWILL_TRY(const std::string bytes, gossip::newKey());
  return changeKeys(call, "add", gossip::toBase64(bytes), "is", true);
}

Result<int> useKey(const KeyCall& call) {
  TWILL_TRY(const std::string key, keyOf(call));
  return changeKeys(call, "use", key, "encrypts", false);
}

Result<int> removeKey(const KeyCall& call) {
  TWILL_TRY(const std::string key, keyOf(call));
  return changeKeys(call, "remove", key, "is removed", false);
}

void addKeyCommand(CLI::App& group, const char* name, const char* help, Result<int> (*run)(const KeyCall&),
                   bool takesKey) {
  const auto call = std::make_shared<KeyCall>();
  CLI::App* command = addCommand<KeyCall>(group, name, help, call, run);
  addAsking(*command, call->asking, true);
  if (takesKey)
    command->add_option("key", call->key, "base64, fingerprint, or - for standard input")
        ->required(run != addKey);
  else
    command->add_flag("--show", call->show, "the keys themselves, too");
}

}  // namespace

void addGossipCommands(CLI::App& app) {
  CLI::App* group = app.add_subcommand("gossip", "keys and identity in a cluster that has no server");
  group->footer(kGossipFooter);
  group->require_subcommand(1);
  const auto file = std::make_shared<KeyFile>();
  CLI::App* command = addCommand<KeyFile>(
      *group, "keygen", "make a key; needs no agent, and never replaces a file", file, makeKey);
  command->add_option("file", file->path, "where to; - for standard output")->capture_default_str();
  command->add_flag("--json", file->json, "print JSON");

  const auto adoption = std::make_shared<Asking>();
  command = addCommand<Asking>(
      *group, "adopt",
      "go on with the subnets of a disk that was moved here, or whose machine got new hardware. Never on a "
      "copy: two nodes would use the same subnets",
      adoption, adopt);
  addAsking(*command, *adoption, true);

  CLI::App* keys = group->add_subcommand("keys", "the keys of all nodes, through this node's agent");
  keys->footer(kKeysFooter);
  keys->require_subcommand(1);
  addKeyCommand(*keys, "list", "which key is on how many nodes, and which one encrypts", listKeys, false);
  addKeyCommand(*keys, "add", "put one on all nodes: the one given, else a new one, which is printed", addKey,
                true);
  addKeyCommand(*keys, "use", "let it encrypt; all nodes should have it", useKey, true);
  addKeyCommand(*keys, "remove", "take one away that no node encrypts with", removeKey, true);
}

}  // namespace twill
