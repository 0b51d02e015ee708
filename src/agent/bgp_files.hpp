// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agent/options.hpp"
#include "datastore/bgp/bird_config.hpp"
#include "datastore/bgp/bird_process.hpp"
#include "datastore/bgp/route_tables.hpp"
#include "kernel/private_routes.hpp"

/// What the datastore bgp has on a node, for who starts it and for who cleans up after it.
namespace twill {

inline bgp::BirdFiles birdFiles(const Options& options) {
  return {.program = options.bgp.bird,
          .config = options.runDir + "/bird.conf",
          .socket = options.runDir + "/bird.ctl",
          .pidFile = options.runDir + "/bird.pid"};
}

/// `external`: BIRD is another's, whose routes may lead over any link.
inline PrivateRoutes::Tables bgpTables(bool external = false) {
  return {.learned = bgp::kLearnedTable,
          .announced = bgp::kAnnouncedTable,
          .placeholder = bgp::kPlaceholder,
          .anyLink = external};
}

/// The kernel's, as the datastore sees them.
class KernelTables final : public bgp::RouteTables {
 public:
  explicit KernelTables(PrivateRoutes routes) : routes_(std::move(routes)) {}

  [[nodiscard]] int fd() const override { return routes_.fd(); }
  [[nodiscard]] bool drain() override { return routes_.drain(); }
  [[nodiscard]] Result<void> prepare() override { return routes_.makePlaceholder(); }
  [[nodiscard]] Result<void> announce(const std::vector<Prefix>& prefixes) override {
    return routes_.announce(prefixes);
  }
  [[nodiscard]] Result<std::vector<bgp::LearnedRoute>> learned() override {
    TWILL_TRY(const auto found, routes_.learned());
    std::vector<bgp::LearnedRoute> out;
    out.reserve(found.size());
    for (const auto& [prefix, nextHop, mark] : found) out.push_back({prefix, nextHop, mark});
    return out;
  }

 private:
  PrivateRoutes routes_;
};

}  // namespace twill
