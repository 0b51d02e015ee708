// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <CLI/CLI.hpp>
#include <nlohmann/json_fwd.hpp>

#include "api/client.hpp"

namespace twill {

/// How a command finds this node's agent, and how it prints.
struct Asking {
  std::string socket = "/run/twill/twill.sock";
  std::string network;  ///< which of the node's; empty: it is in one alone
  bool json = false;
};

/// --socket, and --json if the command prints something.
void addAsking(CLI::App& command, Asking& asking, bool prints);

/// --network, for what is one network's.
void addNetwork(CLI::App& command, Asking& asking);
/// `parameters` of a call, with the network's.
[[nodiscard]] std::string parametersFor(const Asking& asking, std::string parameters = "");

/// The body of the agent's answer. An error is the agent's own words where it refuses: Kind::invalid when the
/// request was wrong in itself, Kind::missing when there is no such thing (or no agent).
[[nodiscard]] Result<std::string> callAgent(const Asking& asking, const api::Call& call);

/// That body, as what it should be.
[[nodiscard]] Result<nlohmann::json> jsonOf(const std::string& body);

/// A field of an answer as text; "-" for what is not there.
[[nodiscard]] std::string text(const nlohmann::json& answer, const char* key);
/// What there is of IPv4 and IPv6, with a comma between them.
[[nodiscard]] std::string both(const nlohmann::json& answer, const char* v4, const char* v6);
/// A field that is a number of seconds: "23h59m".
[[nodiscard]] std::string timeText(const nlohmann::json& answer, const char* key);

}  // namespace twill
