// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "plan/objects.hpp"

namespace twill {

/// The settings that exist and can be read, of those named by path below /proc/sys. Settings of the network
/// are those of the calling thread's namespace.
[[nodiscard]] std::map<std::string, Sysctl> readSysctls(const std::vector<std::string>& paths);

[[nodiscard]] Result<void> writeSysctl(const Sysctl& sysctl);

}  // namespace twill
