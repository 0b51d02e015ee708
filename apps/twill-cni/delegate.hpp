// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/result.hpp"

namespace twill {

/// What a plugin answered.
struct PluginAnswer {
  int exit = 0;        ///< its exit status; 128 and more when a signal ended it
  std::string output;  ///< its standard output
};

/// Runs another CNI plugin as a runtime would (CNI specification, "Plugin Delegation"): found in the
/// directories of `path` (as CNI_PATH), with our environment but for CNI_COMMAND, `config` on its standard
/// input, and our standard error. Waits for it.
[[nodiscard]] Result<PluginAnswer> runPlugin(const std::string& plugin, const std::string& path,
                                             const std::string& command, const std::string& config);

}  // namespace twill
