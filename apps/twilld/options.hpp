// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "agent/options.hpp"

namespace twill {

struct CommandLine {
  Options options;
  bool cleanup = false;           ///< remove what Twill owns, then exit
  std::optional<int> exitStatus;  ///< set when there is nothing left to do (--help, --version, bad usage: 2)
};

/// Reads flags, environment (TWILLD_*) and twilld.toml; a flag beats the environment, which beats the file.
[[nodiscard]] CommandLine parseCommandLine(int argc, char** argv);

}  // namespace twill
