// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "lab/topology.hpp"

namespace twill::lab {

/// A BGP daemon on the router, as an operator would set it up: it takes what the nodes announce, and routes
/// by it.
struct RouterService {
  std::map<std::string, std::string> files;  ///< path -> text, on the router
  std::vector<std::string> command;          ///< stays in the foreground
};

/// By Spec::router; the error says which package is missing.
[[nodiscard]] Result<RouterService> routerService(const Spec& spec, const Topology& topology);

}  // namespace twill::lab
