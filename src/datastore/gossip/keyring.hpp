// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace twill::gossip {

/// AES keys of 16, 24 or 32 bytes: the first encrypts, all are tried for decrypting, so keys rotate while
/// nodes talk. No key: plain text. Wire form (memberlist's security.go): version byte, nonce of 12, AES-GCM
/// cipher text, tag of 16; version 1 has no padding and is what we send, version 0 has PKCS7 padding and is
/// accepted. Thread: any, one at a time.
class Keyring {
 public:
  static constexpr std::size_t kOverhead = 1 + 12 + 16;

  Keyring() = default;
  /// Kind::invalid: a key of another length.
  [[nodiscard]] static Result<Keyring> of(std::vector<std::string> keys);

  [[nodiscard]] bool empty() const { return keys_.empty(); }
  [[nodiscard]] const std::vector<std::string>& keys() const { return keys_; }

  /// Known already: nothing changes. Kind::invalid: of another length.
  [[nodiscard]] Result<void> install(const std::string& key);
  /// Makes it the one that encrypts. Kind::missing: not installed.
  [[nodiscard]] Result<void> use(const std::string& key);
  /// Unknown: nothing changes. Kind::conflict: it is the one that encrypts.
  [[nodiscard]] Result<void> remove(const std::string& key);

  /// `associated` is authenticated, not sent. Kind::invalid: no key, or 2 GiB and more.
  [[nodiscard]] Result<std::string> seal(std::string_view plain, std::string_view associated = {}) const;
  /// Kind::invalid: no key opens it, or it is none.
  [[nodiscard]] Result<std::string> open(std::string_view sealed, std::string_view associated = {}) const;

 private:
  [[nodiscard]] bool has(const std::string& key) const;

  std::vector<std::string> keys_;
};

}  // namespace twill::gossip
