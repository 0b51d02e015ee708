// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "datastore/gossip/msgpack.hpp"
#include "datastore/gossip/serf_message.hpp"
#include "datastore/gossip/serf_types.hpp"

namespace twill::gossip {
namespace {

std::string typed(SerfType type, MsgpackWriter body) {
  return std::string(1, static_cast<char>(type)) + std::move(body).take();
}

void write(MsgpackWriter& out, std::string_view key, std::uint64_t value) {
  out.raw(key);
  out.number(value);
}

void write(MsgpackWriter& out, std::string_view key, std::string_view value) {
  out.raw(key);
  out.raw(value);
}

void write(MsgpackWriter& out, std::string_view key, bool value) {
  out.raw(key);
  out.boolean(value);
}

std::string bytesOf(const IpAddress& address) {
  return {address.bytes().begin(), address.bytes().end()};
}

std::string encodeOne(const LeaveIntent& leave) {
  MsgpackWriter out;
  out.map(3);
  write(out, "LTime", leave.time);
  write(out, "Node", leave.node);
  write(out, "Prune", leave.prune);
  return typed(SerfType::leave, std::move(out));
}

std::string encodeOne(const JoinIntent& join) {
  MsgpackWriter out;
  out.map(2);
  write(out, "LTime", join.time);
  write(out, "Node", join.node);
  return typed(SerfType::join, std::move(out));
}

std::string encodeOne(const UserEvent& event) {
  MsgpackWriter out;
  out.map(4);
  write(out, "CC", event.coalesce);
  write(out, "LTime", event.time);
  write(out, "Name", event.name);
  write(out, "Payload", event.payload);
  return typed(SerfType::userEvent, std::move(out));
}

/// Serf groups events by time.
void writeEvents(MsgpackWriter& out, const std::vector<UserEvent>& events) {
  std::map<std::uint64_t, std::vector<const UserEvent*>> byTime;
  for (const auto& event : events) byTime[event.time].push_back(&event);
  out.raw("Events");
  out.array(byTime.size());
  for (const auto& [time, together] : byTime) {
    out.map(2);
    out.raw("Events");
    out.array(together.size());
    for (const auto* event : together) {
      out.map(2);
      write(out, "Name", event->name);
      write(out, "Payload", event->payload);
    }
    write(out, "LTime", time);
  }
}

std::string encodeOne(const SerfState& state) {
  MsgpackWriter out;
  out.map(state.extra.empty() ? 6 : 7);
  write(out, "EventLTime", state.eventTime);
  writeEvents(out, state.events);
  write(out, "LTime", state.time);
  out.raw("LeftMembers");
  out.array(state.left.size());
  for (const auto& node : state.left) out.raw(node);
  write(out, "QueryLTime", state.queryTime);
  out.raw("StatusLTimes");
  out.map(state.statusTimes.size());
  for (const auto& [node, time] : state.statusTimes) write(out, node, time);
  if (!state.extra.empty()) write(out, kExtraKey, state.extra);
  return typed(SerfType::pushPull, std::move(out));
}

std::string encodeOne(const Query& query) {
  MsgpackWriter out;
  out.map(11);
  write(out, "Addr", bytesOf(query.asker.address));
  out.raw("Filters");
  if (query.filters.empty()) {
    out.nil();
  } else {
    out.array(query.filters.size());
    for (const auto& filter : query.filters) out.raw(filter);
  }
  write(out, "Flags", std::uint64_t{query.flags});
  write(out, "ID", std::uint64_t{query.id});
  write(out, "LTime", query.time);
  write(out, "Name", query.name);
  write(out, "Payload", query.payload);
  write(out, "Port", std::uint64_t{query.asker.port});
  write(out, "RelayFactor", std::uint64_t{query.relayFactor});
  write(out, "SourceNode", query.askerNode);
  write(out, "Timeout", query.timeout);
  return typed(SerfType::query, std::move(out));
}

std::string encodeOne(const QueryResponse& response) {
  MsgpackWriter out;
  out.map(5);
  write(out, "Flags", std::uint64_t{response.isAck ? 1U : 0U});
  write(out, "From", response.from);
  write(out, "ID", std::uint64_t{response.id});
  write(out, "LTime", response.time);
  out.raw("Payload");
  if (response.isAck && response.payload.empty())
    out.nil();
  else
    out.raw(response.payload);
  return typed(SerfType::queryResponse, std::move(out));
}

/// DestAddr is Go's net.UDPAddr.
std::string encodeOne(const Relay& relay) {
  MsgpackWriter out;
  out.map(2);
  out.raw("DestAddr");
  out.map(3);
  write(out, "IP", bytesOf(relay.to.address));
  write(out, "Port", std::uint64_t{relay.to.port});
  write(out, "Zone", std::string_view());
  write(out, "DestName", std::string_view());
  return typed(SerfType::relay, std::move(out)) + relay.message;
}

}  // namespace

std::string encode(const SerfMessage& message) {
  return std::visit([](const auto& one) { return encodeOne(one); }, message);
}

Result<std::string> encodeTags(const Tags& tags) {
  MsgpackWriter out;
  out.map(tags.size());
  for (const auto& [name, value] : tags) write(out, name, value);
  std::string meta = kTagsMark + std::move(out).take();
  if (meta.size() <= kTagsLimit) return meta;
  return fail(fmt::format("the tags of this node are {} bytes long, and {} is the most that Serf carries",
                          meta.size(), kTagsLimit),
              Error::Kind::invalid);
}

}  // namespace twill::gossip
