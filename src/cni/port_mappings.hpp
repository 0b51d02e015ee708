// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "cni/call.hpp"

namespace twill::cni {

/// Fills in what runtimeConfig says about host ports.
[[nodiscard]] CniResult<void> readPortMappings(const nlohmann::json& runtime, AttachRequest& request);

}  // namespace twill::cni
