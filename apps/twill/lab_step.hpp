// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.hpp"

namespace twill {

/// One of the lessons of `twill lab step`: builds its lab anew under the name step<number>, with the
/// addresses of the talk "Container Networking From Scratch", shows what was done as the commands that a
/// person would type, and checks that it works. The lab stays up. Result: exit status, 1 when a check failed.
[[nodiscard]] Result<int> runStep(int number);

}  // namespace twill
