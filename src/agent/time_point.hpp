// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

namespace twill {

/// A moment of the clock that no person sets.
using TimePoint = std::chrono::steady_clock::time_point;

}  // namespace twill
