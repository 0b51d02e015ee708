// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.hpp"

namespace twill {

/// Tells who started this process, by the socket that $NOTIFY_SOCKET names, that it is ready (sd_notify(3)).
/// Fine where nobody asked for it.
[[nodiscard]] Result<void> notifyReady();

}  // namespace twill
