// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/keyring.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

namespace twill::gossip {

namespace {

constexpr char kPadded = 0;  // memberlist's protocol 1
constexpr char kPlain = 1;
constexpr std::size_t kNonce = 12;
constexpr std::size_t kTag = 16;
constexpr std::size_t kBlock = 16;
/// EVP counts bytes in an int.
constexpr std::size_t kLargest = std::numeric_limits<int>::max();

using Context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

const EVP_CIPHER* cipherOf(const std::string& key) {
  switch (key.size()) {
    case 16:
      return EVP_aes_128_gcm();
    case 24:
      return EVP_aes_192_gcm();
    case 32:
      return EVP_aes_256_gcm();
    default:
      return nullptr;
  }
}

const std::uint8_t* octets(std::string_view bytes) {
  return reinterpret_cast<const std::uint8_t*>(bytes.data());
}

std::uint8_t* octets(std::string& bytes, std::size_t at) {
  return reinterpret_cast<std::uint8_t*>(bytes.data()) + at;
}

/// Encrypts behind what `out` has already, and appends the tag.
bool encrypt(const std::string& key, std::string_view nonce, std::string_view associated,
             std::string_view plain, std::string& out) {
  const Context context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  const std::size_t start = out.size();
  out.resize(start + plain.size() + kTag);
  int done = 0;
  return context &&
         EVP_EncryptInit_ex(context.get(), cipherOf(key), nullptr, octets(key), octets(nonce)) == 1 &&
         EVP_EncryptUpdate(context.get(), nullptr, &done, octets(associated),
                           static_cast<int>(associated.size())) == 1 &&
         EVP_EncryptUpdate(context.get(), octets(out, start), &done, octets(plain),
                           static_cast<int>(plain.size())) == 1 &&
         EVP_EncryptFinal_ex(context.get(), octets(out, start + plain.size()), &done) == 1 &&
         EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTag, octets(out, start + plain.size())) ==
             1;
}

/// Nothing when the tag does not fit.
std::optional<std::string> decrypt(const std::string& key, std::string_view nonce,
                                   std::string_view associated, std::string_view cipherText,
                                   std::string_view tag) {
  const Context context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  std::string plain(cipherText.size(), '\0');
  std::string expected(tag);
  int done = 0;
  const bool opened =
      context && EVP_DecryptInit_ex(context.get(), cipherOf(key), nullptr, octets(key), octets(nonce)) == 1 &&
      EVP_DecryptUpdate(context.get(), nullptr, &done, octets(associated),
                        static_cast<int>(associated.size())) == 1 &&
      EVP_DecryptUpdate(context.get(), octets(plain, 0), &done, octets(cipherText),
                        static_cast<int>(cipherText.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTag, octets(expected, 0)) == 1 &&
      EVP_DecryptFinal_ex(context.get(), octets(plain, plain.size()), &done) == 1;
  if (!opened) return std::nullopt;
  return plain;
}

/// PKCS7: as many bytes as the last one says, all alike.
bool unpad(std::string& plain) {
  const std::size_t padding = plain.empty() ? 0 : static_cast<std::uint8_t>(plain.back());
  if (padding == 0 || padding > kBlock || padding > plain.size()) return false;
  const std::size_t size = plain.size() - padding;
  if (plain.find_first_not_of(plain.back(), size) != std::string::npos) return false;
  plain.resize(size);
  return true;
}

Result<void> checkLength(const std::string& key) {
  if (cipherOf(key) != nullptr) return {};
  return fail(fmt::format("a gossip key has {} bytes; it must have 16, 24 or 32", key.size()),
              Error::Kind::invalid);
}

}  // namespace

Result<Keyring> Keyring::of(std::vector<std::string> keys) {
  Keyring ring;
  for (std::string& key : keys) {
    TWILL_CHECK(checkLength(key));
    if (!ring.has(key)) ring.keys_.push_back(std::move(key));
  }
  return ring;
}

bool Keyring::has(const std::string& key) const {
  return std::find(keys_.begin(), keys_.end(), key) != keys_.end();
}

Result<void> Keyring::install(const std::string& key) {
  TWILL_CHECK(checkLength(key));
  if (!has(key)) keys_.push_back(key);
  return {};
}

Result<void> Keyring::use(const std::string& key) {
  auto found = std::find(keys_.begin(), keys_.end(), key);
  if (found == keys_.end()) {
    return fail("the gossip key that is to encrypt is not installed; install it first", Error::Kind::missing);
  }
  std::rotate(keys_.begin(), found, found + 1);
  return {};
}

Result<void> Keyring::remove(const std::string& key) {
  if (!keys_.empty() && keys_.front() == key) {
    return fail("the gossip key to be removed is the one that encrypts; let another do that first",
                Error::Kind::conflict);
  }
  std::erase(keys_, key);
  return {};
}

Result<std::string> Keyring::seal(std::string_view plain, std::string_view associated) const {
  if (keys_.empty()) return fail("there is no gossip key to encrypt with", Error::Kind::invalid);
  if (plain.size() > kLargest || associated.size() > kLargest) {
    return fail("a gossip message is too large to be encrypted", Error::Kind::invalid);
  }
  std::string nonce(kNonce, '\0');
  if (RAND_bytes(octets(nonce, 0), kNonce) != 1) {
    return fail("OpenSSL gives no random bytes for a gossip message's nonce");
  }
  std::string sealed;
  sealed.reserve(kOverhead + plain.size());
  sealed += kPlain;
  sealed += nonce;
  if (!encrypt(keys_.front(), nonce, associated, plain, sealed)) {
    return fail("OpenSSL does not encrypt a gossip message with AES-GCM");
  }
  return sealed;
}

Result<std::string> Keyring::open(std::string_view sealed, std::string_view associated) const {
  if (sealed.size() < kOverhead || sealed.size() > kLargest || associated.size() > kLargest ||
      (sealed.front() != kPadded && sealed.front() != kPlain)) {
    return fail("not an encrypted gossip message", Error::Kind::invalid);
  }
  const std::string_view nonce = sealed.substr(1, kNonce);
  const std::string_view cipherText = sealed.substr(1 + kNonce, sealed.size() - kOverhead);
  const std::string_view tag = sealed.substr(sealed.size() - kTag);
  for (const std::string& key : keys_) {
    auto plain = decrypt(key, nonce, associated, cipherText, tag);
    if (!plain) continue;
    if (sealed.front() == kPadded && !unpad(*plain)) {
      return fail("an encrypted gossip message has a wrong padding", Error::Kind::invalid);
    }
    return std::move(*plain);
  }
  return fail(fmt::format("none of {} gossip keys opens the message", keys_.size()), Error::Kind::invalid);
}

}  // namespace twill::gossip
