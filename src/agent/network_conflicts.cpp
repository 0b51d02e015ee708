// SPDX-License-Identifier: Apache-2.0
#include "agent/network_conflicts.hpp"

#include <fmt/format.h>

#include "backend/overlay.hpp"

namespace twill {

std::string conflictOf(const NetworkConfig& mine, const NetworkConfig& other) {
  for (const Prefix& prefix : mine.networks()) {
    for (const Prefix& theirs : other.networks()) {
      if (prefix.overlaps(theirs)) return fmt::format("{} overlaps {}", prefix.text(), theirs.text());
    }
  }
  const auto port = tunnelPort(mine.backend.type, mine.backend);
  if (port == 0 || port != tunnelPort(other.backend.type, other.backend)) return {};
  // VXLAN's networks can share a port: each packet says which one it is of.
  const bool vxlan = mine.backend.type == "vxlan" && other.backend.type == "vxlan";
  if (!vxlan) return fmt::format("Backend.Port {} is that", port);
  return mine.backend.vni == other.backend.vni ? fmt::format("Backend.VNI {} is that", mine.backend.vni) : "";
}

}  // namespace twill
