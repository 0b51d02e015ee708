// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace twill {

class Agent;
class BgpView;
class Peers;

/// What a datastore shows besides the map; null where there is none of it.
struct MapViews {
  const Peers* peers = nullptr;  ///< the map lives on the nodes
  const BgpView* bgp = nullptr;  ///< it comes by BGP
};

// What the agent shows of itself, as JSON text. Keys are a contract: people script against them.

/// GET /v1/status: what this node is, its lease, peers, problems, drift.
[[nodiscard]] std::string statusJson(const Agent& agent, const MapViews& map = {});
/// GET /v1/diff: operations that would make the kernel what is wanted, and obstacles.
[[nodiscard]] std::string diffJson(const Agent& agent);
/// GET /v1/operations: the journal, oldest first.
[[nodiscard]] std::string operationsJson(const Agent& agent);
/// GET /v1/attachments
[[nodiscard]] std::string attachmentsJson(const Agent& agent);
/// GET /metrics, in the Prometheus text format.
[[nodiscard]] std::string metricsText(const Agent& agent, const MapViews& map = {});

}  // namespace twill
