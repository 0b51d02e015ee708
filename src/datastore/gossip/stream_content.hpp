// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "datastore/gossip/message.hpp"
#include "datastore/gossip/msgpack.hpp"

namespace twill::gossip {

/// A stream's message without layers around it. No length comes first, so it is read value by value, each
/// when all of its bytes are there. Cost: linear in the bytes, whatever the pieces.
class StreamContent {
 public:
  /// `bytes`: from the type byte on, all that earlier calls were given and what has come since. Nothing: more
  /// is needed. Kind::invalid: malformed, of a type that no stream begins with, more than 1 Mi nodes, or a
  /// tail of more than `limit` bytes. At most one message.
  [[nodiscard]] Result<std::optional<StreamMessage>> advance(std::string_view bytes, std::size_t limit);

 private:
  using Outcome = Result<std::optional<StreamMessage>>;
  [[nodiscard]] Outcome advancePushPull(std::string_view bytes, std::size_t limit);
  [[nodiscard]] Outcome advanceUser(std::string_view bytes, std::size_t limit);
  [[nodiscard]] Result<std::optional<std::string_view>> nextValue(std::string_view bytes);
  [[nodiscard]] Result<void> setTail(std::uint64_t size, std::size_t limit);

  std::size_t start_ = 1;  ///< of the value that scanner_ is in; the type byte is none
  MsgpackScanner scanner_;
  bool headed_ = false;      ///< whether the header is read
  std::uint64_t nodes_ = 0;  ///< node records still to come
  std::size_t tail_ = 0;     ///< bytes after the last value
  PushPull pushPull_;
};

}  // namespace twill::gossip
