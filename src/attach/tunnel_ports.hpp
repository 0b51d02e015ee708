// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <span>
#include <string>
#include <vector>

#include "model/attachment.hpp"
#include "plan/state.hpp"
#include "plan/tunnel_port.hpp"

namespace twill {

/// For what comes out of the tunnels' devices: the links of containers that hang on bridges, of both those
/// that are there. Pure.
[[nodiscard]] std::vector<ContainerPort> tunnelPortsOf(const std::set<std::string>& tunnels,
                                                       std::span<const Attachment* const> attachments,
                                                       const KernelState& actual);

}  // namespace twill
