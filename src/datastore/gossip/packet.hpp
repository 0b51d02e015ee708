// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "datastore/gossip/keyring.hpp"
#include "datastore/gossip/message.hpp"
#include "datastore/gossip/msgpack.hpp"
#include "datastore/gossip/stream_content.hpp"

/// The layers around messages: several in one datagram, compression, checksum, encryption. Pure.
namespace twill::gossip {

/// memberlist's UDPBufferSize: no datagram that we make of several messages is longer, encryption included.
constexpr std::size_t kDatagramBudget = 1400;
/// In a datagram of several messages: two bytes for all, and two for each.
constexpr std::size_t kCompoundOverhead = 2;

/// Bytes that messages may take up together in one datagram, each with kCompoundOverhead more. A checksum has
/// its place, too.
[[nodiscard]] std::size_t datagramRoom(const Keyring& keys);

/// One datagram of encoded messages: 1..255. `checksum`: only for a receiver that is known to understand it
/// (Versions[1] >= 5). Compressed where that makes it smaller and `compress` asks for it.
[[nodiscard]] Result<std::string> sealDatagram(const std::vector<std::string>& messages, bool checksum,
                                               bool compress, const Keyring& keys);

/// The encoded messages in a datagram, nested ones unpacked. Kind::invalid: wrong checksum, malformed, or too
/// large when expanded (64 KiB); Kind::conflict: no key opens it, or it is plain though we have keys.
[[nodiscard]] Result<std::vector<std::string>> openDatagram(std::string_view datagram, const Keyring& keys);

/// What one side of a TCP connection says.
[[nodiscard]] Result<std::string> sealStream(const StreamMessage& message, bool compress,
                                             const Keyring& keys);

/// Takes what comes over a TCP connection piece by piece. Cost: linear in the bytes, whatever the pieces.
class StreamReader {
 public:
  static constexpr std::size_t kLimit = 20U << 20U;  ///< bytes on the wire; twice that when expanded

  explicit StreamReader(const Keyring& keys) : keys_(keys) {}

  /// The message, once it is whole; nothing: more is needed. Errors as with openDatagram(). After the message
  /// or an error: nothing, whatever comes.
  [[nodiscard]] Result<std::optional<StreamMessage>> take(std::string_view piece);

 private:
  using Outcome = Result<std::optional<StreamMessage>>;
  [[nodiscard]] Outcome advance();
  [[nodiscard]] Outcome advanceEncrypted();
  [[nodiscard]] Outcome advanceCompressed();

  const Keyring& keys_;
  std::string bytes_;
  MsgpackScanner compressed_;
  StreamContent content_;
  bool over_ = false;
};

}  // namespace twill::gossip
