// SPDX-License-Identifier: Apache-2.0
// Keys in the order of their bytes, and what is empty as stock agents write it: nil for bytes, nothing at all
// for Source*.
#include <fmt/format.h>

#include "datastore/gossip/message.hpp"
#include "datastore/gossip/message_body.hpp"
#include "datastore/gossip/msgpack.hpp"

namespace twill::gossip {

namespace {

class BodyWriter {
 public:
  explicit BodyWriter(std::size_t fields) { out_.map(fields); }

  BodyWriter& flag(std::string_view key, bool value) {
    out_.raw(key);
    out_.boolean(value);
    return *this;
  }
  BodyWriter& number(std::string_view key, std::uint64_t value) {
    out_.raw(key);
    out_.number(value);
    return *this;
  }
  BodyWriter& text(std::string_view key, std::string_view value) {
    out_.raw(key);
    out_.raw(value);
    return *this;
  }
  BodyWriter& bytes(std::string_view key, std::string_view value) {
    if (!value.empty()) return text(key, value);
    out_.raw(key);
    out_.nil();
    return *this;
  }
  BodyWriter& address(std::string_view key, const IpAddress& value) {
    const auto octets = value.bytes();
    return text(key, {reinterpret_cast<const char*>(octets.data()), octets.size()});
  }
  BodyWriter& versions(std::string_view key, const Versions& value) {
    return text(key, {reinterpret_cast<const char*>(value.data()), value.size()});
  }
  /// SourceAddr, SourceNode and SourcePort.
  BodyWriter& source(const std::optional<Endpoint>& endpoint, std::string_view node) {
    if (endpoint) address("SourceAddr", endpoint->address);
    if (!node.empty()) text("SourceNode", node);
    if (endpoint) number("SourcePort", endpoint->port);
    return *this;
  }

  [[nodiscard]] std::string take() { return std::move(out_).take(); }

 private:
  MsgpackWriter out_;
};

std::size_t sourceFields(const std::optional<Endpoint>& endpoint, std::string_view node) {
  return (endpoint ? 2U : 0U) + (node.empty() ? 0U : 1U);
}

std::string typed(Type type, BodyWriter& body) {
  return byteOf(type) + body.take();
}

std::string write(const Ping& ping) {
  BodyWriter body(2 + sourceFields(ping.source, ping.sourceNode));
  body.text("Node", ping.node).number("SeqNo", ping.sequence).source(ping.source, ping.sourceNode);
  return typed(Type::ping, body);
}

std::string write(const IndirectPing& ping) {
  BodyWriter body(5 + sourceFields(ping.source, ping.sourceNode));
  body.flag("Nack", ping.nack)
      .text("Node", ping.node)
      .number("Port", ping.target.port)
      .number("SeqNo", ping.sequence)
      .source(ping.source, ping.sourceNode)
      .address("Target", ping.target.address);
  return typed(Type::indirectPing, body);
}

std::string write(const Ack& ack) {
  BodyWriter body(2);
  body.bytes("Payload", ack.payload).number("SeqNo", ack.sequence);
  return typed(Type::ack, body);
}

std::string write(const Nack& nack) {
  BodyWriter body(1);
  body.number("SeqNo", nack.sequence);
  return typed(Type::nack, body);
}

std::string writeAccusation(Type type, std::string_view from, std::uint32_t incarnation,
                            std::string_view node) {
  BodyWriter body(3);
  body.text("From", from).number("Incarnation", incarnation).text("Node", node);
  return typed(type, body);
}

std::string write(const Suspect& suspect) {
  return writeAccusation(Type::suspect, suspect.from, suspect.incarnation, suspect.node);
}

std::string write(const Dead& dead) {
  return writeAccusation(Type::dead, dead.from, dead.incarnation, dead.node);
}

std::string write(const Alive& alive) {
  BodyWriter body(6);
  body.address("Addr", alive.endpoint.address)
      .number("Incarnation", alive.incarnation)
      .bytes("Meta", alive.meta)
      .text("Node", alive.node)
      .number("Port", alive.endpoint.port)
      .versions("Vsn", alive.versions);
  return typed(Type::alive, body);
}

std::string write(const User& user) {
  return byteOf(Type::user) + user.bytes;
}

std::string writeToStream(const User& user) {
  BodyWriter header(1);
  header.number("UserMsgLen", user.bytes.size());
  return typed(Type::user, header) + user.bytes;
}

std::string writeToStream(const Ping& ping) {
  return write(ping);
}
std::string writeToStream(const Ack& ack) {
  return write(ack);
}

std::string writeToStream(const Refusal& refusal) {
  BodyWriter body(1);
  body.text("Error", refusal.text);
  return typed(Type::refusal, body);
}

std::string write(const NodeRecord& node) {
  BodyWriter body(7);
  body.address("Addr", node.endpoint.address)
      .number("Incarnation", node.incarnation)
      .bytes("Meta", node.meta)
      .text("Name", node.name)
      .number("Port", node.endpoint.port)
      .number("State", static_cast<std::uint8_t>(node.state))
      .versions("Vsn", node.versions);
  return body.take();
}

std::string writeToStream(const PushPull& state) {
  BodyWriter header(3);
  header.flag("Join", state.join)
      .number("Nodes", state.nodes.size())
      .number("UserStateLen", state.userState.size());
  std::string bytes = typed(Type::pushPull, header);
  for (const NodeRecord& node : state.nodes) bytes += write(node);
  return bytes + state.userState;
}

}  // namespace

std::string Endpoint::text() const {
  if (address.isV4()) return fmt::format("{}:{}", address.text(), port);
  return fmt::format("[{}]:{}", address.text(), port);
}

std::string encode(const Message& message) {
  return std::visit([](const auto& each) { return write(each); }, message);
}

std::string encode(const StreamMessage& message) {
  return std::visit([](const auto& each) { return writeToStream(each); }, message);
}

}  // namespace twill::gossip
