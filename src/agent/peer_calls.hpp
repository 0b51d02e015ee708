// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/server.hpp"
#include "datastore/peers.hpp"

namespace twill {

class Agent;

/// What people see of the nodes, and change among them, where the map lives on the nodes themselves:
///   GET    /v1/nodes                   who is there, in which state, with which lease
///   GET    /v1/subnets                 who holds how much of the pool
///   DELETE /v1/peers?node=NAME-or-id   takes a dead node's subnets, for good
///   POST   /v1/adopt                   takes the state that another machine left on this disk for its own
///   POST   /v1/leave                   hands this node's free subnets over, and the one in use if nothing is
///                                      attached, and tells all that it goes
///   GET    /v1/keys                    which node has which keys; ?show=true: the keys, too
///   POST   /v1/keys                    {"command": "add", "use" or "remove", "key": BASE64}
/// A key is never in a URL, which people's logs and shells keep. Errors are those of refusal.hpp. `peers`:
/// null with another datastore, where all of them are 404. It and `agent` outlive the server.
void addPeerRoutes(api::Server& server, const Agent& agent, Peers* peers);

}  // namespace twill
