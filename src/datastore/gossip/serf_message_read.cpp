// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <fmt/format.h>

#include "datastore/gossip/msgpack.hpp"
#include "datastore/gossip/serf_message.hpp"
#include "datastore/gossip/serf_types.hpp"

namespace twill::gossip {
namespace {

/// Slots of Serf's memory of events (UserEventSizeLimit is another thing); more cannot be meant honestly.
constexpr std::size_t kEventSlots = 512;

/// Go's net.IP: nothing, 4 bytes, or 16, in which an IPv4 address may stand, too.
IpAddress readAddress(MsgpackReader& in) {
  const std::string_view raw = in.raw();
  if (!raw.empty() && raw.size() != 4 && raw.size() != 16) in.reject();
  const auto address = IpAddress::fromBytes({reinterpret_cast<const std::uint8_t*>(raw.data()), raw.size()});
  return address.isMappedV4() ? IpAddress::fromBytes(address.bytes().subspan(12)) : address;
}

template <class OnKey>
void readMap(MsgpackReader& in, OnKey onKey) {
  in.eachKey([&](std::string_view key) {
    if (!onKey(key)) in.skip();
  });
}

/// Reads into `target` when `key` is `wanted`.
bool read(MsgpackReader& in, std::string_view key, std::string_view wanted, std::string& target) {
  if (key != wanted) return false;
  target = in.raw();
  return true;
}

bool read(MsgpackReader& in, std::string_view key, std::string_view wanted, std::uint64_t& target) {
  if (key != wanted) return false;
  target = in.number();
  return true;
}

bool read(MsgpackReader& in, std::string_view key, std::string_view wanted, bool& target) {
  if (key != wanted) return false;
  target = in.boolean();
  return true;
}

bool read(MsgpackReader& in, std::string_view key, std::string_view wanted, IpAddress& target) {
  if (key != wanted) return false;
  target = readAddress(in);
  return true;
}

SerfMessage readLeave(MsgpackReader& in) {
  LeaveIntent leave;
  readMap(in, [&](std::string_view key) {
    return read(in, key, "LTime", leave.time) || read(in, key, "Node", leave.node) ||
           read(in, key, "Prune", leave.prune);
  });
  return leave;
}

SerfMessage readJoin(MsgpackReader& in) {
  JoinIntent join;
  readMap(in, [&](std::string_view key) {
    return read(in, key, "LTime", join.time) || read(in, key, "Node", join.node);
  });
  return join;
}

SerfMessage readEvent(MsgpackReader& in) {
  UserEvent event;
  readMap(in, [&](std::string_view key) {
    return read(in, key, "LTime", event.time) || read(in, key, "Name", event.name) ||
           read(in, key, "Payload", event.payload) || read(in, key, "CC", event.coalesce);
  });
  return event;
}

/// The events of one time. Nameless ones can be of one byte, and a state of them would take much memory, so
/// they are passed over.
void readEventSlot(MsgpackReader& in, std::vector<UserEvent>& events) {
  std::uint64_t time = 0;
  const std::size_t first = events.size();
  readMap(in, [&](std::string_view key) {
    if (read(in, key, "LTime", time)) return true;
    if (key != "Events") return false;
    for (std::size_t left = in.array(); left > 0 && in.good(); --left) {
      UserEvent event;
      readMap(in, [&](std::string_view inner) {
        return read(in, inner, "Name", event.name) || read(in, inner, "Payload", event.payload);
      });
      if (!event.name.empty()) events.push_back(std::move(event));
    }
    return true;
  });
  for (std::size_t i = first; i < events.size(); ++i) events[i].time = time;
}

SerfMessage readState(MsgpackReader& in) {
  SerfState state;
  readMap(in, [&](std::string_view key) {
    if (key == "Events") {
      std::size_t left = in.array();
      for (std::size_t slot = 0; left > 0 && in.good(); --left, ++slot) {
        if (slot < kEventSlots)
          readEventSlot(in, state.events);
        else
          in.skip();
      }
    } else if (key == "LeftMembers") {
      for (std::size_t left = in.array(); left > 0 && in.good(); --left) {
        if (const std::string_view node = in.raw(); !node.empty()) state.left.emplace_back(node);
      }
    } else if (key == "StatusLTimes") {
      in.eachKey([&](std::string_view node) { state.statusTimes[std::string(node)] = in.number(); });
    } else {
      return read(in, key, "LTime", state.time) || read(in, key, "EventLTime", state.eventTime) ||
             read(in, key, "QueryLTime", state.queryTime) || read(in, key, kExtraKey, state.extra);
    }
    return true;
  });
  return state;
}

SerfMessage readQuery(MsgpackReader& in) {
  Query query;
  readMap(in, [&](std::string_view key) {
    if (key == "Filters") {
      for (std::size_t left = in.array(); left > 0 && in.good(); --left) query.filters.emplace_back(in.raw());
    } else if (key == "ID") {
      query.id = in.number32();
    } else if (key == "Flags") {
      query.flags = in.number32();
    } else if (key == "Port") {
      query.asker.port = in.number16();
    } else if (key == "RelayFactor") {
      query.relayFactor = static_cast<std::uint8_t>(std::min<std::uint64_t>(in.number(), 255));
    } else {
      return read(in, key, "LTime", query.time) || read(in, key, "Addr", query.asker.address) ||
             read(in, key, "Name", query.name) || read(in, key, "Payload", query.payload) ||
             read(in, key, "SourceNode", query.askerNode) || read(in, key, "Timeout", query.timeout);
    }
    return true;
  });
  return query;
}

SerfMessage readResponse(MsgpackReader& in) {
  QueryResponse response;
  std::uint64_t flags = 0;
  readMap(in, [&](std::string_view key) {
    if (key == "ID") {
      response.id = in.number32();
      return true;
    }
    return read(in, key, "LTime", response.time) || read(in, key, "From", response.from) ||
           read(in, key, "Flags", flags) || read(in, key, "Payload", response.payload);
  });
  response.isAck = (flags & 1U) != 0;
  return response;
}

SerfMessage readRelay(MsgpackReader& in) {
  Relay relay;
  readMap(in, [&](std::string_view key) {
    if (key != "DestAddr") return false;
    readMap(in, [&](std::string_view inner) {
      if (inner != "Port") return read(in, inner, "IP", relay.to.address);
      relay.to.port = in.number16();
      return true;
    });
    return true;
  });
  relay.message = in.rest();
  return relay;
}

}  // namespace

Result<SerfMessage> parseSerfMessage(std::string_view bytes) {
  if (bytes.empty()) return fail("an empty Serf message", Error::Kind::invalid);
  const auto type = static_cast<std::uint8_t>(bytes.front());
  MsgpackReader in(bytes.substr(1));
  SerfMessage message;
  switch (static_cast<SerfType>(type)) {
    case SerfType::leave:
      message = readLeave(in);
      break;
    case SerfType::join:
      message = readJoin(in);
      break;
    case SerfType::pushPull:
      message = readState(in);
      break;
    case SerfType::userEvent:
      message = readEvent(in);
      break;
    case SerfType::query:
      message = readQuery(in);
      break;
    case SerfType::queryResponse:
      message = readResponse(in);
      break;
    case SerfType::relay:
      message = readRelay(in);
      break;
    default:
      return fail(fmt::format("a Serf message of type {}, which is none", type), Error::Kind::invalid);
  }
  if (!in.good()) return fail(fmt::format("a malformed Serf message of type {}", type), Error::Kind::invalid);
  return message;
}

Tags parseTags(std::string_view meta) {
  if (meta.empty()) return {};
  if (meta.front() != kTagsMark) return {{"role", std::string(meta)}};
  Tags tags;
  MsgpackReader in(meta.substr(1));
  in.eachKey([&](std::string_view name) { tags[std::string(name)] = in.raw(); });
  return in.good() ? tags : Tags{};
}

}  // namespace twill::gossip
