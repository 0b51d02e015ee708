// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "agent/network.hpp"

namespace twill {

/// Takes out the removal of what may be of one of the node's networks that is not known yet: it is not wanted
/// only because nobody knows. What is certainly another's may go: routes inside of its prefixes, what is in
/// its tables and at its links. Nothing to take out once all are known.
void spareUnknown(const std::vector<std::unique_ptr<Network>>& networks, const KernelState& wanted,
                  std::vector<Operation>& operations);

}  // namespace twill
