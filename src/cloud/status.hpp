// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "cloud/cloud_routes.hpp"

namespace twill::cloud {

/// How a node's routes in the cloud stand, for people and scripts.
struct Status {
  std::string type;
  std::optional<Self> self;  ///< once the cloud has told
  bool inPlace = false;      ///< all that is wanted was there when it looked last
  std::size_t routes = 0;    ///< in our tables, inside the cluster's networks
  std::vector<Usage> usage;
  std::optional<std::chrono::system_clock::time_point> checkedAt;  ///< the last look that went through
  std::vector<std::string> problems;
  CallCounts calls;
};

}  // namespace twill::cloud
