// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>

#include "kernel/netlink.hpp"
#include "plan/diff.hpp"

namespace twill {

/// The transaction of nftables' (nfnetlink) that carries out these operations on elements of sets: what
/// libnftables does out of a script, at a tenth of its time. Nothing when it is for libnftables: a map,
/// ranges, a part of a key that is neither an address nor a number, an element that changes, a set that
/// `state` does not hold.
[[nodiscard]] std::optional<netlink::Batch> elementBatch(std::span<const Operation* const> steps,
                                                         const KernelState& state);

}  // namespace twill
