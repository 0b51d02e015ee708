// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/attach_request.hpp"
#include "plan/state.hpp"

namespace twill {

/// Whether the container's end of an attachment is as its runtime expects it. `inside` is the actual state of
/// its network namespace. The error names the first thing that is missing.
[[nodiscard]] Result<void> checkInside(const Attachment& attachment, const ExpectedInterface& expected,
                                       const KernelState& inside);

}  // namespace twill
