// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/stream_content.hpp"

#include <fmt/format.h>

#include "datastore/gossip/message_body.hpp"

namespace twill::gossip {

namespace {

/// memberlist's maxPushStateNodes
constexpr std::uint64_t kMostStates = 1U << 20U;

}  // namespace

Result<std::optional<StreamMessage>> StreamContent::advance(std::string_view bytes, std::size_t limit) {
  if (bytes.empty()) return std::nullopt;
  if (startsWith(bytes, Type::pushPull)) return advancePushPull(bytes, limit);
  if (startsWith(bytes, Type::user)) return advanceUser(bytes, limit);
  const bool isRefusal = startsWith(bytes, Type::refusal);
  if (!isRefusal && !startsWith(bytes, Type::ping) && !startsWith(bytes, Type::ack)) {
    return fail(fmt::format("gossip: a stream with a message of type {}, which does not belong there",
                            static_cast<std::uint8_t>(bytes.front())),
                Error::Kind::invalid);
  }
  TWILL_TRY(const auto body, nextValue(bytes));
  if (!body) return std::nullopt;
  if (isRefusal) return parseRefusal(*body);
  TWILL_TRY(auto message, parseMessage(bytes));
  if (auto* ping = std::get_if<Ping>(&message)) return std::move(*ping);
  return std::move(std::get<Ack>(message));
}

Result<std::optional<StreamMessage>> StreamContent::advancePushPull(std::string_view bytes,
                                                                    std::size_t limit) {
  if (!headed_) {
    TWILL_TRY(const auto value, nextValue(bytes));
    if (!value) return std::nullopt;
    TWILL_TRY(const auto header, parsePushPullHeader(*value));
    if (header.nodes > kMostStates) {
      return fail(fmt::format("gossip: a push/pull of {} nodes; {} are the most", header.nodes, kMostStates),
                  Error::Kind::invalid);
    }
    TWILL_CHECK(setTail(header.userStateBytes, limit));
    pushPull_.join = header.join;
    nodes_ = header.nodes;
    headed_ = true;
  }
  for (; nodes_ > 0; --nodes_) {
    TWILL_TRY(const auto value, nextValue(bytes));
    if (!value) return std::nullopt;
    TWILL_TRY(auto node, parseNodeRecord(*value));
    pushPull_.nodes.push_back(std::move(node));
  }
  if (bytes.size() - start_ < tail_) return std::nullopt;
  pushPull_.userState = bytes.substr(start_, tail_);
  return std::move(pushPull_);
}

Result<std::optional<StreamMessage>> StreamContent::advanceUser(std::string_view bytes, std::size_t limit) {
  if (!headed_) {
    TWILL_TRY(const auto value, nextValue(bytes));
    if (!value) return std::nullopt;
    TWILL_TRY(const auto size, parseUserBytes(*value));
    TWILL_CHECK(setTail(size, limit));
    headed_ = true;
  }
  if (bytes.size() - start_ < tail_) return std::nullopt;
  return User{std::string(bytes.substr(start_, tail_))};
}

Result<std::optional<std::string_view>> StreamContent::nextValue(std::string_view bytes) {
  const std::string_view rest = bytes.substr(start_);
  const auto state = scanner_.advance(rest);
  if (state == MsgpackReader::State::cut) return std::nullopt;
  if (state == MsgpackReader::State::malformed) {
    return fail(fmt::format("gossip: a stream is malformed after byte {}", start_), Error::Kind::invalid);
  }
  const std::string_view value = rest.substr(0, scanner_.size());
  start_ += value.size();
  scanner_ = {};
  return value;
}

Result<void> StreamContent::setTail(std::uint64_t size, std::size_t limit) {
  if (size > limit) {
    return fail(fmt::format("gossip: a stream announces {} bytes; {} are the most", size, limit),
                Error::Kind::invalid);
  }
  tail_ = static_cast<std::size_t>(size);
  return {};
}

}  // namespace twill::gossip
