// SPDX-License-Identifier: Apache-2.0
// Commands about nodes, and what they hold where the map lives on them: nodes, subnets, peer.
#include <cctype>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "agent_call.hpp"
#include "command.hpp"
#include "commands.hpp"
#include "table.hpp"
#include "terminal.hpp"

namespace twill {
namespace {

using Json = nlohmann::json;

constexpr const char* kNodesFooter =
    R"(With the datastore gossip it also shows whether a node is alive, suspect,
leaving, left or failed, for how long and who said so, and whom this node
reaches by way of others only ("no direct way").

Examples:
  twill nodes
  twill nodes --json | jq -r '.leases[] | select(.state == "failed") | .node')";

constexpr const char* kSubnetsFooter =
    R"(With the datastore gossip each node holds a share of the network's subnets,
and gives of it to others. Those of a node that was removed rest for an hour.

Examples:
  twill subnets
  twill subnets --json | jq .total.free)";

constexpr const char* kPeerFooter = R"(Examples:
  twill peer rm node3
  twill peer rm node3 --force        of three nodes one is left
  twill peer rm 3f2a9c51d07e4b8896aa10c2f4d7be05      its id, from twill nodes --json)";

Table::Cell stateOf(const Json& node) {
  const std::string state = text(node, "state");
  if (state == "-") return {"unknown", Tone::dim};
  if (state == "alive") return {state, Tone::good};
  return {state, state == "left" ? Tone::dim : Tone::bad};
}

/// What else there is to say of a node.
std::string remarksOn(const Json& node, const Json& self) {
  std::string remarks;
  const auto add = [&remarks](const std::string& remark) {
    remarks += (remarks.empty() ? "" : ", ") + remark;
  };
  if (node["node"] == self) add("(this node)");
  const bool isMember = node.contains("state") && !node["state"].is_null();
  if (isMember && node["id"].is_null()) add("a Serf agent");
  if (isMember && !node["by"].is_null()) add("says " + text(node, "by"));
  if (isMember && node["no_direct_way"] == true) add("no direct way");
  return remarks;
}

void printLeases(const Json& answer) {
  Table table({"NODE", "PUBLIC ADDRESS", "SUBNET", "BACKEND", ""});
  for (const Json& lease : answer["leases"]) {
    table.add({text(lease, "node"), both(lease, "public_ip", "public_ip6"), both(lease, "subnet", "subnet6"),
               text(lease, "backend"), remarksOn(lease, answer["node"])});
  }
  table.print();
}

void printMembers(const Json& answer) {
  Table table({"NODE", "STATE", "FOR", "PUBLIC ADDRESS", "SUBNET", "BACKEND", "GOSSIPS AT", ""});
  for (const Json& node : answer["leases"]) {
    table.add({text(node, "node"), stateOf(node), timeText(node, "since_seconds"),
               both(node, "public_ip", "public_ip6"), both(node, "subnet", "subnet6"), text(node, "backend"),
               text(node, "endpoint"), remarksOn(node, answer["node"])});
  }
  table.print();
}

Result<int> nodes(const Asking& asking) {
  auto reply = callAgent(asking, {.target = "/v1/nodes"});
  const bool areMembers = reply.has_value();
  // Another datastore knows of nodes by their leases alone.
  if (!reply && reply.error().kind == Error::Kind::missing)
    reply = callAgent(asking, {.target = "/v1/leases" + parametersFor(asking)});
  if (!reply) return Failure(reply.error());
  if (asking.json) {
    fmt::print("{}", *reply);
    return 0;
  }
  TWILL_TRY(const Json answer, jsonOf(*reply));
  areMembers ? printMembers(answer) : printLeases(answer);
  return 0;
}

Table::Cell stateOfShare(const Json& share, const Json& self) {
  if (share["removed"] == true) return {"removed", Tone::bad};
  if (share["reachable"] == false) return {"out of reach", Tone::bad};
  return share["node"] == self ? Table::Cell("(this node)") : Table::Cell("");
}

Result<int> subnets(const Asking& asking) {
  TWILL_TRY(const std::string body, callAgent(asking, {.target = "/v1/subnets"}));
  if (asking.json) {
    fmt::print("{}", body);
    return 0;
  }
  TWILL_TRY(const Json answer, jsonOf(body));
  if (answer["cluster"].is_null())
    return fail("this node is in no cluster yet; `twill status` says what it waits for");
  fmt::print("cluster {}, {} subnets\n\n", text(answer, "cluster"), text(answer, "slots"));
  Table table({"NODE", "IN USE", "FREE", "RESTING", "ID", ""});
  for (const Json& share : answer["nodes"]) {
    table.add({text(share, "node"), text(share, "in_use"), text(share, "free"), text(share, "resting"),
               text(share, "id"), stateOfShare(share, answer["node"])});
  }
  const Json& total = answer["total"];
  table.add(
      {{"all", Tone::bold}, text(total, "in_use"), text(total, "free"), text(total, "resting"), "", ""});
  table.print();
  // Where subnets are granted, the founder had all of them at first.
  if (total["unowned"] != 0)
    fmt::print("\n{} subnets are nobody's: each follows from its node's address\n", text(total, "unowned"));
  return 0;
}

/// For a URL.
std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (std::isalnum(octet) != 0 || c == '-' || c == '.' || c == '_')
      out += c;
    else
      out += fmt::format("%{:02X}", octet);
  }
  return out;
}

struct Removal {
  Asking asking;
  std::string node;
  bool force = false;
};

Result<int> removePeer(const Removal& removal) {
  TWILL_TRY(const std::string body,
            callAgent(removal.asking, {.method = "DELETE",
                                       .target = fmt::format("/v1/peers?node={}&force={}",
                                                             escaped(removal.node), removal.force)}));
  if (removal.asking.json) {
    fmt::print("{}", body);
    return 0;
  }
  TWILL_TRY(const Json gone, jsonOf(body));
  fmt::print(
      "{} ({}) is removed. {} subnets were its; they rest for an hour on this node before others get them. "
      "Should it come back, it is a new node, and its containers have to be made anew\n",
      text(gone, "node"), text(gone, "id"), text(gone, "subnets"));
  return 0;
}

Result<int> leave(const Asking& asking) {
  TWILL_TRY(const std::string body, callAgent(asking, {.method = "POST", .target = "/v1/leave"}));
  if (asking.json) {
    fmt::print("{}", body);
    return 0;
  }
  TWILL_TRY(const Json answer, jsonOf(body));
  fmt::print(
      "this node's free subnets are another's now, and all know that it goes. {}\nStop its agent: the next "
      "start "
      "takes it in again\n",
      answer["gave_back"] == true
          ? "Nobody has a route to its own one any more"
          : "It keeps the one that its containers have, until `twill peer rm` on another node");
  return 0;
}

}  // namespace

void addPeerCommands(CLI::App& app) {
  const auto all = std::make_shared<Asking>();
  CLI::App* command = addCommand<Asking>(app, "nodes", "the cluster's nodes", all, nodes);
  command->footer(kNodesFooter);
  addAsking(*command, *all, true);
  addNetwork(*command, *all);

  const auto pool = std::make_shared<Asking>();
  command =
      addCommand<Asking>(app, "subnets", "which node holds how many of the network's subnets", pool, subnets);
  command->footer(kSubnetsFooter);
  addAsking(*command, *pool, true);

  CLI::App* group = app.add_subcommand("peer", "take nodes out of a cluster that has no server");
  group->footer(kPeerFooter);
  group->require_subcommand(1);
  const auto going = std::make_shared<Asking>();
  command = addCommand<Asking>(*group, "leave",
                               "before this node is taken out of service: give other nodes what it can spare",
                               going, leave);
  addAsking(*command, *going, true);
  const auto gone = std::make_shared<Removal>();
  command = addCommand<Removal>(
      *group, "rm",
      "take a dead node's subnets, for good. Make sure that it is off: one that only cannot be reached would "
      "go on using a subnet that another node gets",
      gone, removePeer);
  command->add_option("node", gone->node, "its name, or its id where several have one name")->required();
  command->add_flag("--force", gone->force, "also where this node reaches no more than half of the nodes");
  addAsking(*command, gone->asking, true);
}

}  // namespace twill
