// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <type_traits>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/result.hpp"

namespace twill {

/// Prints it; the exit status, 2 where the input was wrong.
inline int report(const Error& error) {
  fmt::print(stderr, "twill: {}\n", error.text);
  return error.kind == Error::Kind::invalid ? 2 : 1;
}

/// Adds a command whose callback ends the program with what `run` returns.
template <class Arguments>
CLI::App* addCommand(CLI::App& app, const std::string& name, const std::string& help,
                     std::shared_ptr<Arguments> arguments,
                     std::function<Result<int>(std::type_identity_t<Arguments>&)> run) {
  CLI::App* command = app.add_subcommand(name, help);
  command->callback([arguments, run = std::move(run)] {
    const auto status = run(*arguments);
    throw CLI::RuntimeError(status ? *status : report(status.error()));
  });
  return command;
}

}  // namespace twill
