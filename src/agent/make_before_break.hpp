// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "plan/diff.hpp"

namespace twill {

/// Takes out the operations that have to wait until packets can go by `device`, a tunnel that is being made:
/// routes into it, and the removal of what may carry those packets until then. Pure.
void holdUntilCarried(const std::string& device, std::vector<Operation>& operations);

}  // namespace twill
