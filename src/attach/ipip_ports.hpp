// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <vector>

#include "model/attachment.hpp"
#include "plan/ipip_tunnel.hpp"
#include "plan/state.hpp"

namespace twill {

/// The links of containers that hang on bridges, those that are there. Pure.
[[nodiscard]] std::vector<IpipTunnel::Port> ipipPortsOf(std::span<const Attachment* const> attachments,
                                                        const KernelState& actual);

}  // namespace twill
