// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "datastore/gossip/message.hpp"

/// What the codecs of messages and of the layers around them share; nobody else needs it. Pure.
namespace twill::gossip {

/// First bytes (memberlist's messageType).
enum class Type : std::uint8_t {
  ping = 0,
  indirectPing = 1,
  ack = 2,
  suspect = 3,
  alive = 4,
  dead = 5,
  pushPull = 6,
  compound = 7,
  user = 8,
  compressed = 9,
  encrypted = 10,
  nack = 11,
  checksum = 12,
  refusal = 13,
  label = 244,
};

[[nodiscard]] constexpr char byteOf(Type type) {
  return static_cast<char>(type);
}
[[nodiscard]] inline bool startsWith(std::string_view bytes, Type type) {
  return !bytes.empty() && bytes.front() == byteOf(type);
}

/// In front of a push/pull's node records and its user state.
struct PushPullHeader {
  bool join = false;
  std::uint64_t nodes = 0;
  std::uint64_t userStateBytes = 0;
};

// Maps without the type byte. Kind::invalid: not whole, or malformed.
[[nodiscard]] Result<PushPullHeader> parsePushPullHeader(std::string_view body);
[[nodiscard]] Result<NodeRecord> parseNodeRecord(std::string_view body);
[[nodiscard]] Result<std::uint64_t> parseUserBytes(std::string_view body);
[[nodiscard]] Result<Refusal> parseRefusal(std::string_view body);

}  // namespace twill::gossip
