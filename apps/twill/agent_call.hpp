// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "api/client.hpp"

namespace twill {

/// How a command finds this node's agent, and how it prints.
struct Asking {
  std::string socket = "/run/twill/twill.sock";
  bool json = false;
};

/// --socket, and --json if the command prints something.
void addAsking(CLI::App& command, Asking& asking, bool prints);

/// The body of the agent's answer. An error is the agent's own words where it refuses: Kind::invalid when the
/// request was wrong in itself.
[[nodiscard]] Result<std::string> callAgent(const Asking& asking, const api::Call& call);

/// Prints it; the exit status, 2 where the input was wrong.
int report(const Error& error);

}  // namespace twill
