// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "plan/diff.hpp"

namespace twill {

/// Takes out the operations that have to wait until packets can go by `device`, a tunnel that is being made:
/// routes into it, and the removal of what may carry those packets until then, if `isOurs` says that it is
/// the network's. Pure.
void holdUntilCarried(const std::string& device, const std::function<bool(const Operation&)>& isOurs,
                      std::vector<Operation>& operations);

}  // namespace twill
