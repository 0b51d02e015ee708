// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "model/cluster.hpp"

namespace twill {

/// A node's share of the cluster's networks: one subnet of each family that is on.
struct NodeSubnets {
  std::optional<Prefix> v4;
  std::optional<Prefix> v6;

  auto operator<=>(const NodeSubnets&) const = default;
};

/// Which subnets `node` should get: for each family what its lease holds, whatever its length, when that lies
/// in the network, else what it had before (`previous`) when that is free and of the network's length, else a
/// free one between SubnetMin and SubnetMax. The search starts at a place that depends on the node's name, so
/// that nodes that join at once seldom want the same. Pure. Cost: linear in the leases. The error says which
/// network is full and how many subnets it has.
[[nodiscard]] Result<NodeSubnets> chooseSubnets(const Cluster& cluster, const std::string& node,
                                                const NodeSubnets& previous);

}  // namespace twill
