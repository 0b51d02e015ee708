// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "lab/router.hpp"
#include "plan/state.hpp"

/// The router of a lab whose backend keeps routes in a cloud's tables: it is the cloud's. It runs a stand-in
/// for the cloud's API, which turns what the agents write into its own routes.
namespace twill::lab {

/// The stand-in, of a build's folder of programs. An installed twill has none; the error says so.
[[nodiscard]] Result<RouterService> cloudService(const Spec& spec, const Topology& topology,
                                                 const std::string& binDirectory);

/// What the agents need to know of it, "NAME=value"; empty without a cloud.
[[nodiscard]] std::vector<std::string> cloudEnvironment(const Spec& spec, const Topology& topology);

/// Adds the address of the metadata service.
void addCloud(const Spec& spec, KernelState& router);

}  // namespace twill::lab
