// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "cni/call.hpp"

namespace twill::cni {

/// Fills in what CNI 1.1.0 has for a route besides dst and gw, and checks it against those two. 0 counts as
/// absent, as in the reference library, but for the scope.
[[nodiscard]] CniResult<void> readRouteAttributes(const nlohmann::json& json, const std::string& where,
                                                  ContainerRoute& route);

}  // namespace twill::cni
