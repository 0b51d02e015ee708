// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "api/server.hpp"
#include "datastore/administration.hpp"

namespace twill {

class Agent;

/// What people change in the map, and what the map says of itself:
///   GET, PUT /v1/config                the network config's text; ?force=true: even if leases would fall out
///   GET, POST, DELETE /v1/leases       all leases; reserve one; release one (?subnet=172.16.3.0/24)
/// A node in several networks wants to know which one is meant: ?network=blue.
/// Errors are those of refusal.hpp. `maps` are those of the agent's networks, in their order; they and
/// `agent` outlive the server.
void addClusterRoutes(api::Server& server, const Agent& agent, std::vector<Administration*> maps);

}  // namespace twill
