// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace twill {

/// Takes the lock file `path` for as long as the descriptor lives, and writes our pid into it. Kind::busy
/// when another process holds it; the error names that process. The kernel frees the lock when its holder
/// dies, however it dies.
[[nodiscard]] Result<Fd> takeLock(const std::string& path);

}  // namespace twill
