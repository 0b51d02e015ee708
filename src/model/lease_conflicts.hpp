// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "model/cluster.hpp"

/// Two leases that claim the same node name, address or subnet. Private to this room: makeSound() is the way
/// in.
namespace twill {

/// "node1 (172.16.0.0/24 at 10.0.0.10)"
[[nodiscard]] std::string described(const Lease& lease);

/// Takes the leases out that conflict with one of better right, by makeSound()'s rule, and says why. May
/// leave the others in another order. Cost: n log n.
void setAsideRivals(std::vector<Lease>& leases, std::vector<LeaseConflict>& conflicts);

}  // namespace twill
