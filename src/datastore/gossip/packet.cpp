// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/packet.hpp"

#include <boost/crc.hpp>
#include <fmt/format.h>

#include "datastore/gossip/big_endian.hpp"
#include "datastore/gossip/compression.hpp"
#include "datastore/gossip/message_body.hpp"

namespace twill::gossip {

namespace {

constexpr std::size_t kChecksumOverhead = 1 + 4;
constexpr std::size_t kMostParts = 255;
/// What a datagram may expand to, all of its parts together: more than its sender could have sent plainly.
constexpr std::size_t kExpandedLimit = 64U << 10U;
/// Bounds the recursion. Stock agents need two: compressed, and of several messages.
constexpr int kMostLayers = 8;

Failure invalid(std::string_view text) {
  return fail(fmt::format("gossip: a datagram {}", text), Error::Kind::invalid);
}

std::uint32_t crcOf(std::string_view bytes) {
  boost::crc_32_type crc;
  crc.process_bytes(bytes.data(), bytes.size());
  return crc.checksum();
}

/// Takes the layers off that may be inside each other.
class Unpacker {
 public:
  Result<void> unpack(std::string_view bytes, int layer = 0) {
    if (bytes.empty()) return invalid("with an empty message");
    if (layer == kMostLayers) return invalid("of too many layers");
    if (startsWith(bytes, Type::compound)) return unpackCompound(bytes.substr(1), layer);
    if (startsWith(bytes, Type::compressed)) {
      TWILL_TRY(const std::string expanded, expandMessage(bytes.substr(1), budget_));
      budget_ -= expanded.size();
      return unpack(expanded, layer + 1);
    }
    messages_.emplace_back(bytes);
    return {};
  }

  std::vector<std::string> take() && { return std::move(messages_); }

 private:
  Result<void> unpackCompound(std::string_view bytes, int layer) {
    if (bytes.empty()) return invalid("of several messages is cut short");
    const std::size_t parts = static_cast<std::uint8_t>(bytes.front());
    std::string_view sizes = bytes.substr(1);
    if (parts == 0 || sizes.size() < 2 * parts) return invalid("of several messages is cut short");
    std::string_view rest = sizes.substr(2 * parts);
    for (std::size_t part = 0; part < parts; ++part, sizes.remove_prefix(2)) {
      const std::size_t size = bigOf(sizes.substr(0, 2));
      if (size > rest.size()) return invalid("of several messages is cut short");
      TWILL_CHECK(unpack(rest.substr(0, size), layer + 1));
      rest.remove_prefix(size);
    }
    return {};
  }

  std::size_t budget_ = kExpandedLimit;
  std::vector<std::string> messages_;
};

Result<std::string> compoundOf(const std::vector<std::string>& messages) {
  if (messages.empty() || messages.size() > kMostParts) {
    return invalid(fmt::format("of {} messages; 1 to {} can be", messages.size(), kMostParts));
  }
  std::string sizes;
  std::string bodies;
  for (const std::string& message : messages) {
    if (message.empty() || message.size() >= kExpandedLimit) {
      return invalid(fmt::format("with a message of {} bytes", message.size()));
    }
    appendBig(sizes, message.size(), 2);
    bodies += message;
  }
  if (messages.size() == 1) return bodies;
  std::string compound(1, byteOf(Type::compound));
  compound += static_cast<char>(messages.size());
  return compound + sizes + bodies;
}

}  // namespace

std::size_t datagramRoom(const Keyring& keys) {
  return kDatagramBudget - kChecksumOverhead - kCompoundOverhead - (keys.empty() ? 0 : Keyring::kOverhead);
}

Result<std::string> sealDatagram(const std::vector<std::string>& messages, bool checksum, bool compress,
                                 const Keyring& keys) {
  TWILL_TRY(std::string datagram, compoundOf(messages));
  if (datagram.size() > kExpandedLimit) return invalid(fmt::format("of {} bytes", datagram.size()));
  if (compress) {
    std::string compressed = compressMessage(datagram);
    if (compressed.size() < datagram.size()) datagram = std::move(compressed);
  }
  if (checksum) {
    std::string header(1, byteOf(Type::checksum));
    appendBig(header, crcOf(datagram), 4);
    datagram.insert(0, header);
  }
  if (keys.empty()) return datagram;
  return keys.seal(datagram);
}

Result<std::vector<std::string>> openDatagram(std::string_view datagram, const Keyring& keys) {
  if (startsWith(datagram, Type::label)) return invalid("with a label, which is not supported");
  std::string opened;
  if (!keys.empty()) {
    auto plain = keys.open(datagram);
    if (!plain) {
      return fail("gossip: a datagram is not encrypted, or by another key: " + plain.error().text,
                  Error::Kind::conflict);
    }
    opened = std::move(*plain);
    datagram = opened;
  }
  if (startsWith(datagram, Type::checksum)) {
    if (datagram.size() < kChecksumOverhead) return invalid("is cut short");
    const std::uint64_t expected = bigOf(datagram.substr(1, 4));
    datagram.remove_prefix(kChecksumOverhead);
    if (crcOf(datagram) != expected) return invalid("has a wrong checksum");
  }
  Unpacker unpacker;
  TWILL_CHECK(unpacker.unpack(datagram));
  return std::move(unpacker).take();
}

}  // namespace twill::gossip
