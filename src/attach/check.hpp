// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/veth.hpp"
#include "model/attach_request.hpp"

namespace twill {

/// Whether the container's end of an attachment is as its runtime expects it; as it was made, where nothing
/// is said. A route may be in any table. The error names the first thing that is missing.
[[nodiscard]] Result<void> checkInside(const Attachment& attachment, const ExpectedInterface& expected,
                                       const PeerNamespace& inside);

}  // namespace twill
