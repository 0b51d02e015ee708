// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/result.hpp"

namespace twill {

/// Makes a TUN device that stays when no process has it, in the namespace of the calling thread: with
/// virtio-net headers and one queue, as twill-tunnel attaches to it. Without the driver the error says how to
/// get it.
[[nodiscard]] Result<void> makeTun(const std::string& name);

}  // namespace twill
