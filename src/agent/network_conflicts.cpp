// SPDX-License-Identifier: Apache-2.0
#include "agent/network_conflicts.hpp"

#include <fmt/format.h>

#include "backend/overlay.hpp"

namespace twill {
namespace {

std::string clash(const Holding& mine, const Holding& other) {
  // A VNI is a part of the device's name as well.
  if (mine.vni && other.vni)
    return mine.vni == other.vni ? fmt::format("Backend.VNI {} is that", *mine.vni) : "";
  if (mine.port == 0 && other.port == 0) return "Backend.Type ipip is that";
  return mine.port == other.port ? fmt::format("Backend.Port {} is that", mine.port) : "";
}

}  // namespace

std::optional<Holding> holdingOf(std::string_view type, const BackendConfig& config) {
  if (type == "ipip") return Holding{.port = 0, .vni = std::nullopt};
  const auto port = tunnelPort(type, config);
  if (port == 0) return std::nullopt;
  return Holding{.port = port, .vni = type == "vxlan" ? std::optional(config.vni) : std::nullopt};
}

std::string conflictOf(const NetworkConfig& mine, const NetworkConfig& other, std::span<const Holding> held) {
  for (const Prefix& prefix : mine.networks()) {
    for (const Prefix& theirs : other.networks()) {
      if (prefix.overlaps(theirs)) return fmt::format("{} overlaps {}", prefix.text(), theirs.text());
    }
  }
  const auto own = holdingOf(mine.backend.type, mine.backend);
  if (!own) return {};
  if (const auto theirs = holdingOf(other.backend.type, other.backend)) {
    if (auto conflict = clash(*own, *theirs); !conflict.empty()) return conflict;
  }
  for (const Holding& one : held) {
    if (auto conflict = clash(*own, one); !conflict.empty()) return conflict;
  }
  return {};
}

}  // namespace twill
