// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "base/result.hpp"

namespace twill::ethtool {

/// Whether the stack leaves the checksums of what a link sends to the link (ETHTOOL_GTXCSUM). Nothing where
/// there is no such link, or it does not say.
[[nodiscard]] std::optional<bool> checksumOffload(const std::string& link);

/// A link that cannot have it otherwise takes the request and stays as it is, which is an error here.
[[nodiscard]] Result<void> setChecksumOffload(const std::string& link, bool on);

/// Name of the driver behind a link, as `ethtool -i` shows it; empty where there is none.
[[nodiscard]] std::string driverOf(const std::string& link);

}  // namespace twill::ethtool
