// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cloud/cloud_routes.hpp"

/// What is to be done about the cloud's tables. Pure.
namespace twill::cloud {

using TimePoint = std::chrono::steady_clock::time_point;

/// Since when each route has led to a subnet that nobody holds, by table and destination.
using Orphans = std::map<std::pair<std::string, Prefix>, TimePoint>;

struct Actions {
  std::vector<Put> put;
  std::vector<Route> erase;
  std::vector<std::string> conflicts;  ///< what others have in the way, for a person
};

/// How often what is done. Tests have less time.
struct Pace {
  /// From one look at the tables to the next, while nodes are few.
  std::chrono::milliseconds period = std::chrono::seconds(60);
  /// How long a live route to a subnet without a lease is left alone: a node that comes back, or a map that
  /// was empty for a while, must not cost anybody's packets. One whose instance is gone carries none, and
  /// goes at once.
  std::chrono::milliseconds orphanRespite = std::chrono::minutes(5);
  /// The wait after a first refusal; it doubles with each.
  std::chrono::milliseconds firstWait = std::chrono::seconds(1);
};

/// Compares `table` with what `wish` asks for; one without a subnet of ours asks for our routes to go.
/// `orphans` is brought up to date. `sweeps`: what nodes left behind that are gone is this node's to remove.
[[nodiscard]] Actions compare(const CloudWish& wish, const Self& self, const std::vector<Route>& table,
                              bool sweeps, const Pace& pace, TimePoint now, Orphans& orphans);

/// Whose turn it is to remove what others left behind: one node's at a time, and another one's each time, so
/// that one that is dead does not matter. `epoch` counts turns. Nodes with different pictures of the cluster
/// may both take one, which does no harm.
[[nodiscard]] const std::string& sweeperOf(const std::vector<std::string>& nodes, std::uint64_t epoch);

/// How long from one look at the tables to the next: more where many nodes share the cloud's limit on
/// requests, so that all of them together ask five times a second at most.
[[nodiscard]] std::chrono::milliseconds periodOf(const Pace& pace, std::size_t nodes);

/// What to wait after the `refusals`-th refusal in a row (from 1), with `random` in [0, 1]: "full jitter", so
/// that a crowd that was refused together does not come back together. The longest wait grows with the crowd.
[[nodiscard]] std::chrono::milliseconds backOff(const Pace& pace, const Outcome& outcome, unsigned refusals,
                                                std::size_t nodes, double random);

}  // namespace twill::cloud
