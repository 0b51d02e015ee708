// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "datastore/peers.hpp"

namespace twill::gossip {

/// What people call a key by without giving it away: the first 8 hexadecimal digits of its SHA-256. Of
/// something that is no base64 the same of the text itself. Pure.
[[nodiscard]] std::string fingerprintOf(const std::string& base64);

/// Where a key is.
struct KeySpread {
  std::string key;  ///< in base64
  std::size_t nodes = 0;
  std::size_t encrypts = 0;  ///< on so many it is the one that encrypts
};

/// The keys of all answers, those that encrypt on most nodes first. Pure.
[[nodiscard]] std::vector<KeySpread> spreadOf(const std::vector<Peers::Keys>& answers);

}  // namespace twill::gossip
