// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace twill {

/// Log lines go to stderr, one line each: time, level, text; without the time under systemd, which adds its
/// own. `level` is debug, info, warn or error.
void setUpLog(const std::string& level);

}  // namespace twill
