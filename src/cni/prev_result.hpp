// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "cni/call.hpp"

namespace twill::cni {

/// What other calls have left for this one in the config: prevResult of an ADD or CHECK, and the list of
/// living containers of a GC.
[[nodiscard]] CniResult<void> readLeftovers(const nlohmann::json& config, Call& call);

}  // namespace twill::cni
