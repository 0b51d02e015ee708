// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/key_survey.hpp"

#include <algorithm>
#include <array>
#include <map>

#include <fmt/format.h>
#include <openssl/sha.h>

#include "datastore/gossip/base64.hpp"

namespace twill::gossip {

std::string fingerprintOf(const std::string& base64) {
  const std::string bytes = fromBase64(base64).value_or(base64);
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest.data());
  return fmt::format("{:02x}{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2], digest[3]);
}

std::vector<KeySpread> spreadOf(const std::vector<Peers::Keys>& answers) {
  std::map<std::string, KeySpread> byKey;
  for (const Peers::Keys& answer : answers) {
    for (std::size_t i = 0; i < answer.keys.size(); ++i) {
      KeySpread& spread = byKey[answer.keys[i]];
      spread.nodes++;
      if (i == 0) spread.encrypts++;
    }
  }
  std::vector<KeySpread> list;
  for (auto& [key, spread] : byKey) {
    spread.key = key;
    list.push_back(std::move(spread));
  }
  std::stable_sort(list.begin(), list.end(), [](const KeySpread& one, const KeySpread& other) {
    return std::pair(one.encrypts, one.nodes) > std::pair(other.encrypts, other.nodes);
  });
  return list;
}

}  // namespace twill::gossip
