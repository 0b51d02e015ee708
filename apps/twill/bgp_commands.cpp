// SPDX-License-Identifier: Apache-2.0
// twill bgp: the sessions by which the map comes.
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

constexpr const char* kFooter =
    R"(ROUTES are taken in, given out, and refused by the filters of net-conf.json's
object "BGP".

Examples:
  twill bgp status
  twill bgp status --json | jq '.sessions[] | select(.state != "Established")')";

Table::Cell stateOf(const Json& session) {
  const std::string state = text(session, "state");
  return {state, state == "Established" ? Tone::good : Tone::bad};
}

Table::Cell refusedOf(const Json& session) {
  const std::string refused = text(session, "routes_refused");
  return refused == "0" ? Table::Cell(refused) : Table::Cell{refused, Tone::bad};
}

Result<int> status(const Asking& asking) {
  TWILL_TRY(const std::string body, callAgent(asking, {.target = "/v1/bgp"}));
  if (asking.json) {
    fmt::print("{}", body);
    return 0;
  }
  TWILL_TRY(const Json answer, jsonOf(body));
  if (answer["external"] == true)
    fmt::print("daemon     another's; it meets twilld in the routing tables 177 and 178\n");
  else
    fmt::print(
        "daemon     {}, AS {}, from {}\n",
        answer["bird"].is_null() ? paint(Tone::bad, "BIRD does not answer") : "BIRD " + text(answer, "bird"),
        text(answer, "as"), text(answer, "address"));
  std::string announced;
  for (const Json& prefix : answer["announced"]) announced += " " + prefix.get<std::string>();
  fmt::print("announced {}\nlearned    {} subnets\n", announced.empty() ? " nothing" : announced,
             text(answer, "learned"));
  for (const Json& dead : answer["dead"])
    fmt::print("dead       {}\n", paint(Tone::bad, dead.get<std::string>() + " does not answer"));
  if (!answer["problem"].is_null()) fmt::print("problem    {}\n", paint(Tone::bad, text(answer, "problem")));
  if (answer["sessions"].empty()) return 0;
  fmt::print("\n");
  Table table({"NEIGHBOUR", "NODE", "AS", "STATE", "SINCE", "IN", "OUT", "REFUSED", "LAST ERROR"});
  for (const Json& session : answer["sessions"]) {
    table.add({text(session, "address"), session["outside"] == true ? "(outside)" : text(session, "node"),
               text(session, "as"), stateOf(session), text(session, "since"), text(session, "routes_in"),
               text(session, "routes_out"), refusedOf(session), text(session, "last_error")});
  }
  table.print();
  return 0;
}

}  // namespace

void addBgpCommands(CLI::App& app) {
  CLI::App* group =
      app.add_subcommand("bgp", "the BGP sessions by which the map comes, with the datastore bgp");
  group->require_subcommand(1);
  const auto asking = std::make_shared<Asking>();
  CLI::App* command = addCommand<Asking>(
      *group, "status", "who this node talks with, since when, and what goes over it", asking, status);
  addAsking(*command, *asking, true);
  command->footer(kFooter);
}

}  // namespace twill
