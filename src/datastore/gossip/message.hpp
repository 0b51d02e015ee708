// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "net/address.hpp"

/// memberlist's messages (protocol 2..5 of HashiCorp memberlist), as values and as bytes. Pure.
namespace twill::gossip {

struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;

  auto operator<=>(const Endpoint&) const = default;
  /// "192.0.2.1:7946", "[2001:db8::1]:7946"
  [[nodiscard]] std::string text() const;
};

/// Protocol versions that a node speaks: memberlist's lowest, highest and current, then the same of Serf.
using Versions = std::array<std::uint8_t, 6>;
constexpr Versions kOurVersions = {1, 5, 2, 2, 5, 5};  ///< what a stock Serf agent says

struct Ping {
  std::uint32_t sequence = 0;
  std::string node;                ///< for whom; anybody else keeps silent
  std::optional<Endpoint> source;  ///< where the ack goes; none: to where the packet came from
  std::string sourceNode;
  bool operator==(const Ping&) const = default;
};

struct IndirectPing {
  std::uint32_t sequence = 0;
  std::string node;
  Endpoint target;
  bool nack = false;  ///< whether the asker wants to hear that there was no answer
  std::optional<Endpoint> source;
  std::string sourceNode;
  bool operator==(const IndirectPing&) const = default;
};

struct Ack {
  std::uint32_t sequence = 0;
  std::string payload;  ///< Serf's coordinates; may be empty
  bool operator==(const Ack&) const = default;
};

struct Nack {
  std::uint32_t sequence = 0;
  bool operator==(const Nack&) const = default;
};

struct Suspect {
  std::uint32_t incarnation = 0;
  std::string node;
  std::string from;
  bool operator==(const Suspect&) const = default;
};

struct Dead {
  std::uint32_t incarnation = 0;
  std::string node;
  std::string from;  ///< the node itself: it left
  bool operator==(const Dead&) const = default;
};

struct Alive {
  std::uint32_t incarnation = 0;
  std::string node;
  Endpoint endpoint;
  std::string meta;  ///< Serf's tags
  Versions versions{};
  bool operator==(const Alive&) const = default;
};

/// Bytes for the layer above: a Serf message.
struct User {
  std::string bytes;
  bool operator==(const User&) const = default;
};

using Message = std::variant<Ping, IndirectPing, Ack, Nack, Suspect, Alive, Dead, User>;

/// With the type byte in front.
[[nodiscard]] std::string encode(const Message& message);
/// Kind::invalid: not whole, malformed, or of a type that is none of these.
[[nodiscard]] Result<Message> parseMessage(std::string_view bytes);

enum class NodeState : std::uint8_t { alive, suspect, dead, left };  ///< numbers as on the wire

/// What one node knows of another, in a push/pull.
struct NodeRecord {
  std::string name;
  Endpoint endpoint;
  std::string meta;
  std::uint32_t incarnation = 0;
  NodeState state = NodeState::alive;
  Versions versions{};
  bool operator==(const NodeRecord&) const = default;
};

/// The whole state of one side, over TCP.
struct PushPull {
  bool join = false;
  std::vector<NodeRecord> nodes;
  std::string userState;  ///< Serf's
  bool operator==(const PushPull&) const = default;
};

/// The other side's refusal, over TCP.
struct Refusal {
  std::string text;
  bool operator==(const Refusal&) const = default;
};

/// What a TCP connection carries, one each way.
using StreamMessage = std::variant<PushPull, Ping, Ack, User, Refusal>;

/// With the type byte in front; a User with its length header.
[[nodiscard]] std::string encode(const StreamMessage& message);

}  // namespace twill::gossip
