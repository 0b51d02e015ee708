// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "model/attachment.hpp"
#include "plan/fast_path.hpp"
#include "plan/state.hpp"

namespace twill {

/// Who can take the fast path without that anything is skipped that was asked for. Left out are containers
/// towards which the node limits the rate, and addresses that have to be masqueraded. Whatever depends on the
/// single packet (spoof guard, host ports) the programs see to. Pure. `actual`: where links are; `wanted`:
/// what is routed, by the underlay and by tunnels.
[[nodiscard]] FastPath fastPathOf(std::span<const Attachment* const> attachments, const KernelState& wanted,
                                  const KernelState& actual, const std::string& underlay);

}  // namespace twill
