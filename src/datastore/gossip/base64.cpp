// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/base64.hpp"

#include <openssl/evp.h>

namespace twill::gossip {

std::string toBase64(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(length));
  return text;
}

Result<std::string> fromBase64(std::string_view text) {
  std::string bytes(text.size() / 4 * 3 + 3, '\0');
  const int length =
      EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                      reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  if (length >= 0) bytes.resize(static_cast<std::size_t>(length) - padding);
  // OpenSSL passes over blanks at both ends and takes padding for zeros.
  if (length < 0 || toBase64(bytes) != text) return fail("not base64", Error::Kind::invalid);
  return bytes;
}

}  // namespace twill::gossip
