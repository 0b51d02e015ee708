// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agent/options.hpp"
#include "datastore/bgp/bird_config.hpp"
#include "datastore/bgp/bird_process.hpp"
#include "kernel/private_routes.hpp"

/// What the datastore bgp has on a node, for who starts it and for who cleans up after it.
namespace twill {

inline bgp::BirdFiles birdFiles(const Options& options) {
  return {.program = options.bgp.bird,
          .config = options.runDir + "/bird.conf",
          .socket = options.runDir + "/bird.ctl",
          .pidFile = options.runDir + "/bird.pid"};
}

inline PrivateRoutes::Tables bgpTables() {
  return {.learned = bgp::kLearnedTable, .announced = bgp::kAnnouncedTable, .placeholder = bgp::kPlaceholder};
}

}  // namespace twill
