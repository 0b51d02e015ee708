// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include <nlohmann/json_fwd.hpp>

#include "cloud/status.hpp"

namespace twill {

/// A network's part of GET /v1/status; null where no cloud is asked for anything. Keys are a contract: people
/// script against them.
[[nodiscard]] nlohmann::ordered_json cloudView(const std::optional<cloud::Status>& status);

}  // namespace twill
