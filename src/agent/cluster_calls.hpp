// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/server.hpp"
#include "datastore/administration.hpp"

namespace twill {

class Agent;

/// What people change in the map, and what the map says of itself:
///   GET, PUT /v1/config                the network config's text; ?force=true: even if leases would fall out
///   GET, POST, DELETE /v1/leases       all leases; reserve one; release one (?subnet=172.16.3.0/24)
/// Errors are {"error": TEXT} with 400 (wrong in itself), 404, 409 (somebody or something is in the way) or
/// 502 (the datastore failed). `administration`, null for datastores that have none, and `agent` outlive the
/// server.
void addClusterRoutes(api::Server& server, Agent& agent, Administration* administration);

}  // namespace twill
