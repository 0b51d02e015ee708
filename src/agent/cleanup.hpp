// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agent/options.hpp"
#include "base/result.hpp"

namespace twill {

/// twilld --cleanup: removes from the kernel all that carries Twill's marks, container interfaces included,
/// then the records and files under the run and state directories. Prints each step. Refuses while an agent
/// is running.
[[nodiscard]] Result<void> cleanUp(const Options& options);

}  // namespace twill
