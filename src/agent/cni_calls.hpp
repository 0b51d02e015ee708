// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/server.hpp"

namespace twill {

class Agent;

/// Carries out one CNI call that twill-cni handed over. The answer's body is what the plugin prints on
/// stdout, and its header Twill-Exit the plugin's exit status; CNI errors are answers too, so the HTTP status
/// is always 200.
[[nodiscard]] api::Response cniCall(Agent& agent, const api::Request& request);

}  // namespace twill
