// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "api/server.hpp"
#include "datastore/bgp_view.hpp"

namespace twill {

class Agent;

/// GET /v1/bgp: the sessions by which the map comes, what was announced and learned. `bgp`: null with another
/// datastore, where it is 404. It and `agent` outlive the server.
void addBgpRoutes(api::Server& server, const Agent& agent, const BgpView* bgp);

/// GET /v1/bgp. Keys are a contract: people script against them.
[[nodiscard]] nlohmann::ordered_json bgpView(const BgpView::Status& status);
/// A part of GET /v1/status: the same in a few numbers.
[[nodiscard]] nlohmann::ordered_json bgpSummary(const BgpView::Status& status);

}  // namespace twill
