// SPDX-License-Identifier: Apache-2.0
// As Go reads structs: keys in any order, unknown ones passed over, missing ones and nil are zero, and what
// follows the map is not looked at.
#include <algorithm>

#include <fmt/format.h>

#include "datastore/gossip/message.hpp"
#include "datastore/gossip/message_body.hpp"
#include "datastore/gossip/msgpack.hpp"

namespace twill::gossip {

namespace {

/// The fields of messages, by the types that the wire gives them.
class BodyReader {
 public:
  explicit BodyReader(std::string_view body) : in_(body) {}

  /// Calls `onKey(key)` for each field; it says whether it took the value.
  template <class OnKey>
  void fields(OnKey onKey) {
    in_.eachKey([&](std::string_view key) {
      if (!onKey(key)) in_.skip();
    });
  }

  bool take(bool& value) { return value = in_.boolean(), true; }
  bool take(std::uint16_t& value) { return value = in_.number16(), true; }
  bool take(std::uint32_t& value) { return value = in_.number32(), true; }
  bool take(std::uint64_t& value) { return value = in_.number(), true; }
  bool take(std::string& value) { return value = in_.raw(), true; }

  bool take(IpAddress& value) { return value = address().value_or(IpAddress{}), true; }
  bool take(std::optional<IpAddress>& value) { return value = address(), true; }

  bool take(Versions& value) {
    const std::string_view raw = in_.raw();
    if (!raw.empty() && raw.size() != value.size()) in_.reject();
    if (raw.size() == value.size()) std::copy(raw.begin(), raw.end(), value.begin());
    return true;
  }

  bool take(NodeState& value) {
    const std::uint64_t number = in_.number();
    if (number > static_cast<std::uint64_t>(NodeState::left)) in_.reject();
    if (in_.good()) value = static_cast<NodeState>(number);
    return true;
  }

  template <class T>
  [[nodiscard]] Result<T> whole(T value, std::string_view what) const {
    if (in_.good()) return value;
    const bool cut = in_.state() == MsgpackReader::State::cut;
    return fail(fmt::format("gossip: {} is {}", what, cut ? "cut short" : "malformed"), Error::Kind::invalid);
  }

 private:
  /// Go's net.IP: nothing, 4 bytes, or 16, in which an IPv4 address may stand, too.
  std::optional<IpAddress> address() {
    const std::string_view raw = in_.raw();
    if (raw.empty()) return std::nullopt;
    if (raw.size() != 4 && raw.size() != 16) in_.reject();
    auto value = IpAddress::fromBytes({reinterpret_cast<const std::uint8_t*>(raw.data()), raw.size()});
    return value.isMappedV4() ? IpAddress::fromBytes(value.bytes().subspan(12)) : value;
  }

  MsgpackReader in_;
};

/// SourceAddr, SourceNode and SourcePort. As in memberlist, an address is one only with a port.
class SourceReader {
 public:
  bool take(std::string_view key, BodyReader& body, std::string& node) {
    if (key == "SourceNode") return body.take(node);
    if (key == "SourceAddr") return body.take(address_);
    return key == "SourcePort" && body.take(port_);
  }
  [[nodiscard]] std::optional<Endpoint> endpoint() const {
    if (!address_ || port_ == 0) return std::nullopt;
    return Endpoint{*address_, port_};
  }

 private:
  std::optional<IpAddress> address_;
  std::uint16_t port_ = 0;
};

Result<Message> parsePing(std::string_view bytes) {
  BodyReader body(bytes);
  SourceReader source;
  Ping ping;
  body.fields([&](std::string_view key) {
    if (key == "Node") return body.take(ping.node);
    if (key == "SeqNo") return body.take(ping.sequence);
    return source.take(key, body, ping.sourceNode);
  });
  ping.source = source.endpoint();
  return body.whole<Message>(std::move(ping), "a ping");
}

Result<Message> parseIndirectPing(std::string_view bytes) {
  BodyReader body(bytes);
  SourceReader source;
  IndirectPing ping;
  body.fields([&](std::string_view key) {
    if (key == "Nack") return body.take(ping.nack);
    if (key == "Node") return body.take(ping.node);
    if (key == "Port") return body.take(ping.target.port);
    if (key == "SeqNo") return body.take(ping.sequence);
    if (key == "Target") return body.take(ping.target.address);
    return source.take(key, body, ping.sourceNode);
  });
  ping.source = source.endpoint();
  return body.whole<Message>(std::move(ping), "an indirect ping");
}

Result<Message> parseAck(std::string_view bytes) {
  BodyReader body(bytes);
  Ack ack;
  body.fields([&](std::string_view key) {
    if (key == "Payload") return body.take(ack.payload);
    return key == "SeqNo" && body.take(ack.sequence);
  });
  return body.whole<Message>(std::move(ack), "an ack");
}

Result<Message> parseNack(std::string_view bytes) {
  BodyReader body(bytes);
  Nack nack;
  body.fields([&](std::string_view key) { return key == "SeqNo" && body.take(nack.sequence); });
  return body.whole<Message>(nack, "a nack");
}

/// Suspect or Dead.
template <class Accusation>
Result<Message> parseAccusation(std::string_view bytes, std::string_view what) {
  BodyReader body(bytes);
  Accusation accusation;
  body.fields([&](std::string_view key) {
    if (key == "From") return body.take(accusation.from);
    if (key == "Incarnation") return body.take(accusation.incarnation);
    return key == "Node" && body.take(accusation.node);
  });
  return body.whole<Message>(std::move(accusation), what);
}

Result<Message> parseAlive(std::string_view bytes) {
  BodyReader body(bytes);
  Alive alive;
  body.fields([&](std::string_view key) {
    if (key == "Addr") return body.take(alive.endpoint.address);
    if (key == "Incarnation") return body.take(alive.incarnation);
    if (key == "Meta") return body.take(alive.meta);
    if (key == "Node") return body.take(alive.node);
    if (key == "Port") return body.take(alive.endpoint.port);
    return key == "Vsn" && body.take(alive.versions);
  });
  return body.whole<Message>(std::move(alive), "an alive message");
}

}  // namespace

Result<Message> parseMessage(std::string_view bytes) {
  if (bytes.empty()) return fail("gossip: an empty message", Error::Kind::invalid);
  const auto type = static_cast<Type>(bytes.front());
  const std::string_view body = bytes.substr(1);
  switch (type) {
    case Type::ping:
      return parsePing(body);
    case Type::indirectPing:
      return parseIndirectPing(body);
    case Type::ack:
      return parseAck(body);
    case Type::nack:
      return parseNack(body);
    case Type::suspect:
      return parseAccusation<Suspect>(body, "a suspect message");
    case Type::dead:
      return parseAccusation<Dead>(body, "a dead message");
    case Type::alive:
      return parseAlive(body);
    case Type::user:
      return User{std::string(body)};
    default:
      return fail(fmt::format("gossip: a message of type {}, which is not known here",
                              static_cast<std::uint8_t>(bytes.front())),
                  Error::Kind::invalid);
  }
}

Result<PushPullHeader> parsePushPullHeader(std::string_view bytes) {
  BodyReader body(bytes);
  PushPullHeader header;
  body.fields([&](std::string_view key) {
    if (key == "Join") return body.take(header.join);
    if (key == "Nodes") return body.take(header.nodes);
    return key == "UserStateLen" && body.take(header.userStateBytes);
  });
  return body.whole(header, "a push/pull's header");
}

Result<NodeRecord> parseNodeRecord(std::string_view bytes) {
  BodyReader body(bytes);
  NodeRecord node;
  body.fields([&](std::string_view key) {
    if (key == "Addr") return body.take(node.endpoint.address);
    if (key == "Incarnation") return body.take(node.incarnation);
    if (key == "Meta") return body.take(node.meta);
    if (key == "Name") return body.take(node.name);
    if (key == "Port") return body.take(node.endpoint.port);
    if (key == "State") return body.take(node.state);
    return key == "Vsn" && body.take(node.versions);
  });
  auto whole = body.whole(std::move(node), "a push/pull's node");
  // Besides being of no use, nameless records can be of one byte, and a stream of them takes much memory.
  if (whole && whole->name.empty()) {
    return fail("gossip: a push/pull has a node without a name", Error::Kind::invalid);
  }
  return whole;
}

Result<std::uint64_t> parseUserBytes(std::string_view bytes) {
  BodyReader body(bytes);
  std::uint64_t size = 0;
  body.fields([&](std::string_view key) { return key == "UserMsgLen" && body.take(size); });
  return body.whole(size, "a user message's header");
}

Result<Refusal> parseRefusal(std::string_view bytes) {
  BodyReader body(bytes);
  Refusal refusal;
  body.fields([&](std::string_view key) { return key == "Error" && body.take(refusal.text); });
  return body.whole(std::move(refusal), "a refusal");
}

}  // namespace twill::gossip
