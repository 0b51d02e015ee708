// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "lab/lab.hpp"

namespace twill {

/// Picture and state of a lab; exit status 1 when an agent is not ready.
[[nodiscard]] Result<int> showStatus(const lab::Lab& lab, bool json);

/// Runs all checks and shows what came of them; exit status 1 on any miss.
[[nodiscard]] Result<int> runTest(const lab::Lab& lab, bool json);

/// Columns of the terminal; 100 for output that is no terminal.
[[nodiscard]] std::size_t terminalWidth();

}  // namespace twill
