// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "model/network_config.hpp"

namespace twill {

/// What a tunnel holds on a node: its UDP port, and of VXLAN, whose networks can share a port, a VNI. That of
/// ipip, which has neither, is one for the node.
struct Holding {
  std::uint16_t port = 0;  ///< 0: ipip's
  std::optional<std::uint32_t> vni;
};
/// None: a backend of that type holds nothing.
[[nodiscard]] std::optional<Holding> holdingOf(std::string_view type, const BackendConfig& config);

/// Why one node cannot be in both networks, as the beginning of a sentence about `mine` that ends with the
/// name of the other; empty when it can. `held`: what the other has besides what its config asks for. Pure.
[[nodiscard]] std::string conflictOf(const NetworkConfig& mine, const NetworkConfig& other,
                                     std::span<const Holding> held = {});

}  // namespace twill
