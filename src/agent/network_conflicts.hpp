// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "model/network_config.hpp"

namespace twill {

/// Why one node cannot be in both networks, as the beginning of a sentence about `mine` that ends with the
/// name of the other; empty when it can. Pure.
[[nodiscard]] std::string conflictOf(const NetworkConfig& mine, const NetworkConfig& other);

}  // namespace twill
