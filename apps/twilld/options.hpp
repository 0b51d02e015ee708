// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/options.hpp"

namespace twill {

struct CommandLine {
  Options options;
  bool cleanup = false;            ///< remove what Twill owns, then exit
  std::vector<std::string> notes;  ///< for the log
  std::optional<int> exitStatus;   ///< set when there is nothing left to do (--help, --version, bad usage: 2)
};

/// Reads flags, environment (TWILLD_*) and twilld.toml; a flag beats the environment, which beats the file.
/// Called as flanneld, or with --flannel first, it reads flanneld's flags and environment (FLANNELD_*)
/// instead.
[[nodiscard]] CommandLine parseCommandLine(std::vector<std::string> words);

}  // namespace twill
