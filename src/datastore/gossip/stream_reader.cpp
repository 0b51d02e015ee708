// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "datastore/gossip/big_endian.hpp"
#include "datastore/gossip/compression.hpp"
#include "datastore/gossip/message_body.hpp"
#include "datastore/gossip/packet.hpp"

namespace twill::gossip {

namespace {

constexpr std::size_t kExpandedLimit = 2 * StreamReader::kLimit;
constexpr std::size_t kEncryptedHeader = 5;  // type byte, and a length of what follows; authenticated

Failure tooLarge(std::uint64_t size) {
  return fail(fmt::format("gossip: a stream of {} bytes; {} are the most", size, StreamReader::kLimit),
              Error::Kind::invalid);
}

/// The message that is all of `plain`.
Result<std::optional<StreamMessage>> wholeOf(std::string_view plain) {
  StreamContent content;
  TWILL_TRY(auto message, content.advance(plain, kExpandedLimit));
  if (!message) return fail("gossip: a stream's message is cut short", Error::Kind::invalid);
  return message;
}

}  // namespace

Result<std::string> sealStream(const StreamMessage& message, bool compress, const Keyring& keys) {
  std::string content = encode(message);
  if (content.size() > kExpandedLimit) return tooLarge(content.size());
  // Stock agents do not ask whether that makes it smaller, so neither need we.
  if (compress) content = compressMessage(content);
  if (!keys.empty()) {
    std::string header(1, byteOf(Type::encrypted));
    appendBig(header, Keyring::kOverhead + content.size(), 4);
    TWILL_TRY(const std::string sealed, keys.seal(content, header));
    content = header + sealed;
  }
  if (content.size() > StreamReader::kLimit) return tooLarge(content.size());
  return content;
}

Result<std::optional<StreamMessage>> StreamReader::take(std::string_view piece) {
  if (over_) return std::nullopt;
  over_ = true;
  if (piece.size() > kLimit - bytes_.size()) return tooLarge(bytes_.size() + piece.size());
  bytes_ += piece;
  Outcome outcome = advance();
  over_ = !outcome || outcome->has_value();
  return outcome;
}

Result<std::optional<StreamMessage>> StreamReader::advance() {
  if (bytes_.empty()) return std::nullopt;
  if (startsWith(bytes_, Type::label)) {
    return fail("gossip: a stream with a label, which is not supported", Error::Kind::invalid);
  }
  if (startsWith(bytes_, Type::encrypted)) return advanceEncrypted();
  if (!keys_.empty()) {
    return fail("gossip: a stream is not encrypted, though we have a key", Error::Kind::conflict);
  }
  if (startsWith(bytes_, Type::compressed)) return advanceCompressed();
  return content_.advance(bytes_, kExpandedLimit);
}

Result<std::optional<StreamMessage>> StreamReader::advanceEncrypted() {
  if (keys_.empty()) {
    return fail("gossip: a stream is encrypted, and we have no key", Error::Kind::conflict);
  }
  if (bytes_.size() < kEncryptedHeader) return std::nullopt;
  const std::string_view header = std::string_view(bytes_).substr(0, kEncryptedHeader);
  const std::uint64_t size = bigOf(header.substr(1));
  if (size > kLimit - kEncryptedHeader) return tooLarge(size + kEncryptedHeader);
  if (bytes_.size() - kEncryptedHeader < size) return std::nullopt;
  auto plain = keys_.open(std::string_view(bytes_).substr(kEncryptedHeader, size), header);
  if (!plain) return fail("gossip: a stream: " + plain.error().text, Error::Kind::conflict);
  if (!startsWith(*plain, Type::compressed)) return wholeOf(*plain);
  TWILL_TRY(const std::string expanded, expandMessage(std::string_view(*plain).substr(1), kExpandedLimit));
  return wholeOf(expanded);
}

Result<std::optional<StreamMessage>> StreamReader::advanceCompressed() {
  const std::string_view body = std::string_view(bytes_).substr(1);
  const auto state = compressed_.advance(body);
  if (state == MsgpackReader::State::cut) return std::nullopt;
  if (state == MsgpackReader::State::malformed) {
    return fail("gossip: a compressed stream is malformed", Error::Kind::invalid);
  }
  TWILL_TRY(const std::string expanded, expandMessage(body.substr(0, compressed_.size()), kExpandedLimit));
  return wholeOf(expanded);
}

}  // namespace twill::gossip
