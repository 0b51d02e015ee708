// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "datastore/gossip/slots/slot_state.hpp"

namespace twill::gossip {

/// The largest state file: the table of the largest pool, with a lease in each slot.
constexpr std::size_t kLargestState = 256U << 20U;

/// By /etc/machine-id and the firmware's product uuid; what cannot be read is empty.
[[nodiscard]] Machine machineHere();

/// Makes the state in a file `here`'s, which was written on another machine: its disk has moved, or got new
/// hardware. The machine that it was. Kind::exists: it is `here`'s already, nothing was changed; so no agent
/// that runs with this state is ever in the way.
[[nodiscard]] Result<Machine> adoptState(const std::string& path, const Machine& here);

}  // namespace twill::gossip
