// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "datastore/gossip/message.hpp"

/// Serf's messages (serf/messages.go), which travel inside memberlist's user messages. Pure.
namespace twill::gossip {

/// Serf's tags are a node's memberlist meta, which may be this long.
constexpr std::size_t kTagsLimit = 512;
using Tags = std::map<std::string, std::string>;

/// Kind::invalid: longer than kTagsLimit.
[[nodiscard]] Result<std::string> encodeTags(const Tags& tags);
/// What a node's meta says; a meta of another form is the tag "role", as with Serf.
[[nodiscard]] Tags parseTags(std::string_view meta);

struct LeaveIntent {
  std::uint64_t time = 0;  ///< all times are Lamport times
  std::string node;
  bool prune = false;
  bool operator==(const LeaveIntent&) const = default;
};

struct JoinIntent {
  std::uint64_t time = 0;
  std::string node;
  bool operator==(const JoinIntent&) const = default;
};

struct UserEvent {
  std::uint64_t time = 0;
  std::string name;
  std::string payload;
  bool coalesce = false;
  bool operator==(const UserEvent&) const = default;
};

/// The layer's half of a push/pull.
struct SerfState {
  std::uint64_t time = 0, eventTime = 0, queryTime = 0;  ///< what the three clocks say
  std::vector<std::string> left;
  std::map<std::string, std::uint64_t> statusTimes;
  std::vector<UserEvent> events;
  std::string extra;  ///< under Twill's own key, which Serf passes over
  bool operator==(const SerfState&) const = default;
};

struct Query {
  enum Flags : std::uint32_t { wantsAck = 1, noBroadcast = 2 };
  std::uint64_t time = 0;
  std::uint32_t id = 0;
  Endpoint asker;
  std::string askerNode;
  std::vector<std::string> filters;  ///< encoded; see isFor()
  std::uint32_t flags = 0;
  std::uint8_t relayFactor = 0;
  std::uint64_t timeout = 0;  ///< nanoseconds
  std::string name;
  std::string payload;
  bool operator==(const Query&) const = default;
};

/// A filter that names the nodes that are asked.
[[nodiscard]] std::string nodeFilter(const std::vector<std::string>& nodes);
/// Whether a query's filters let this node answer. One that cannot be read lets nobody.
[[nodiscard]] bool isFor(const Query& query, const std::string& node, const Tags& tags);

struct QueryResponse {
  std::uint64_t time = 0;
  std::uint32_t id = 0;
  std::string from;
  bool isAck = false;
  std::string payload;
  bool operator==(const QueryResponse&) const = default;
};

/// A message to be handed on to one node.
struct Relay {
  Endpoint to;
  std::string message;  ///< encoded
  bool operator==(const Relay&) const = default;
};

using SerfMessage = std::variant<LeaveIntent, JoinIntent, SerfState, UserEvent, Query, QueryResponse, Relay>;

[[nodiscard]] std::string encode(const SerfMessage& message);
/// Kind::invalid: malformed, or of a type that is none of these.
[[nodiscard]] Result<SerfMessage> parseSerfMessage(std::string_view bytes);

/// What a node answers to a query about the keyring.
struct KeyAnswer {
  bool done = false;
  std::string message;
  std::vector<std::string> keys = {};  ///< as they are, not in base64
  std::string primary = {};
  bool operator==(const KeyAnswer&) const = default;
};

/// The payloads of Serf's internal queries about keys. A key that is not base64 is malformed.
[[nodiscard]] std::string encodeKeyRequest(const std::string& key);
[[nodiscard]] Result<std::string> parseKeyRequest(std::string_view payload);
[[nodiscard]] std::string encode(const KeyAnswer& answer);
[[nodiscard]] Result<KeyAnswer> parseKeyAnswer(std::string_view payload);

}  // namespace twill::gossip
