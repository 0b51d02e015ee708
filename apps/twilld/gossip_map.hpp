// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "agent/options.hpp"
#include "agent/underlay.hpp"
#include "datastore/gossip/gossip_datastore.hpp"

namespace twill {

/// The map on the nodes themselves, as the options say. `options` must outlive it: it asks for this node's
/// address on the underlay until there is one. An error: net-conf.json is there and cannot be read.
[[nodiscard]] Result<std::unique_ptr<GossipDatastore>> openGossip(boost::asio::io_context& io,
                                                                  const Options& options,
                                                                  const RouteQuestion& routeTo);

}  // namespace twill
