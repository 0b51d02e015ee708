// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agent/views.hpp"
#include "api/server.hpp"

namespace twill {

class Agent;

/// Puts the agent's questions and calls on the server. `agent` and what `map` shows must outlive it.
///
///   GET  /healthz          200 while the agent's loop turns
///   GET  /readyz           200 when all wanted state is in the kernel, else 503 with the reasons
///   GET  /metrics          Prometheus text
///   GET  /v1/status  /v1/diff  /v1/operations  /v1/attachments
///   POST /v1/cni           one CNI call: variables as Twill-CNI-* headers, the plugin's stdin as body
void addRoutes(api::Server& server, Agent& agent, const MapViews& map);

}  // namespace twill
