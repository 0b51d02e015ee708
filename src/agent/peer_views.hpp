// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "datastore/peers.hpp"
#include "model/cluster.hpp"

/// What the agent shows of the nodes where the map lives on them. Keys are a contract: people script against
/// them. All of it is pure.
namespace twill {

/// GET /v1/nodes: as GET /v1/leases, with what the nodes say of each other, by name. A node may have no
/// lease, and one that has a lease and is no member (any more) has no state.
[[nodiscard]] nlohmann::ordered_json nodesView(const std::string& self, const std::vector<Lease>& leases,
                                               const std::vector<Peers::Node>& nodes);

/// GET /v1/subnets
[[nodiscard]] nlohmann::ordered_json subnetsView(const std::string& self, const Peers::Pool& pool);

/// GET and POST /v1/keys: which node has which keys, who gave no answer, and who was not even asked. The keys
/// themselves only with `show`; else their fingerprints. `nodes`: as they were when the question was put.
[[nodiscard]] nlohmann::ordered_json keysView(const Peers::KeysOfAll& keys,
                                              const std::vector<Peers::Node>& nodes, bool show);

/// A part of GET /v1/status: how many nodes are in each state, and whom this one reaches by others only.
[[nodiscard]] nlohmann::ordered_json membersView(const std::vector<Peers::Node>& nodes);

}  // namespace twill
