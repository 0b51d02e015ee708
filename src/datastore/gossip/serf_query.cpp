// SPDX-License-Identifier: Apache-2.0
// Serf's questions to all nodes, and this node's answers.
#include <algorithm>
#include <cmath>

#include "datastore/gossip/msgpack.hpp"
#include "datastore/gossip/serf.hpp"

namespace twill::gossip {
namespace {

/// The names of Serf's own queries begin so.
constexpr std::string_view kInternal = "_serf_";
/// serf/messages.go, messageConflictResponseType
constexpr char kConflictResponse = 6;
/// Answers come by way of so many others too: nodes without a direct way to each other hear each other so.
constexpr std::uint8_t kRelays = 2;
/// Serf's QueryResponseSizeLimit.
constexpr std::size_t kResponseLimit = 1024;

}  // namespace

void Serf::on(const Query& query, const std::string& bytes) {
  queryClock_.witness(query.time);
  if (!seenQueries_.add(queryClock_.time(), query.time, std::to_string(query.id))) return;
  if ((query.flags & Query::noBroadcast) == 0) broadcast(queries, bytes);
  if (!isFor(query, membership_.name(), tags_)) return;
  if ((query.flags & Query::wantsAck) != 0) respond(query, true, {});
  if (query.name.starts_with(kInternal)) answer(query);
}

void Serf::answer(const Query& query) {
  const std::string_view command = std::string_view(query.name).substr(kInternal.size());
  if (command == "conflict") {
    const auto asked = members_.find(query.payload);
    if (query.payload == membership_.name() || asked == members_.end()) return;
    MsgpackWriter member;
    member.map(3);
    member.raw("Addr");
    const auto address = asked->second.endpoint.address.bytes();
    member.raw({reinterpret_cast<const char*>(address.data()), address.size()});
    member.raw("Name");
    member.raw(query.payload);
    member.raw("Port");
    member.number(asked->second.endpoint.port);
    return respond(query, false, kConflictResponse + std::move(member).take());
  }
  if (!command.ends_with("-key") && command != "list-keys") return;  // "ping" wants no more than the ack
  std::string key;
  if (command != "list-keys") {
    const auto request = parseKeyRequest(query.payload);
    if (!request)
      return respond(query, false, encode(KeyAnswer{.done = false, .message = request.error().text}));
    key = *request;
  }
  respond(query, false, encode(user_.changeKeys(command, key)));
}

void Serf::respond(const Query& query, bool isAck, const std::string& payload) {
  if (payload.size() > kResponseLimit) return;
  const QueryResponse response{query.time, query.id, membership_.name(), isAck, payload};
  if (query.askerNode == membership_.name() && query.asker == membership_.endpoint()) return on(response, {});
  const auto bytes = encode(SerfMessage(response));
  carrier_.send(query.asker, {encode(Message(User{bytes}))}, false);
  if (query.relayFactor == 0 || membership_.living() <= query.relayFactor + std::size_t{1}) return;
  const Relay relay{query.asker, bytes};
  for (const SwimMember* by : membership_.some(query.relayFactor))
    carrier_.send(by->endpoint, {encode(Message(User{encode(SerfMessage(relay))}))}, false);
}

void Serf::on(const QueryResponse& response, const std::string&) {
  const auto question = questions_.find(response.id);
  if (question == questions_.end()) return;
  Answers& answers = question->second.answers;
  if (!response.isAck) {
    answers.payloads.emplace(response.from, response.payload);
  } else if (std::find(answers.acks.begin(), answers.acks.end(), response.from) == answers.acks.end()) {
    answers.acks.push_back(response.from);
  }
}

void Serf::on(const Relay& relay, const std::string&) {
  carrier_.send(relay.to, {encode(Message(User{relay.message}))}, false);
}

void Serf::ask(Time now, const std::string& name, const std::string& payload, OnAnswers onAnswers) {
  now_ = now;
  const auto timeout = membership_.timers().gossipInterval * 16 *
                       static_cast<int>(std::ceil(std::log10(static_cast<double>(membership_.size()) + 1)));
  const Query query{.time = queryClock_.tick(),
                    .id = static_cast<std::uint32_t>(random_()),
                    .asker = membership_.endpoint(),
                    .askerNode = membership_.name(),
                    .filters = {},
                    .flags = Query::wantsAck,
                    .relayFactor = kRelays,
                    .timeout = static_cast<std::uint64_t>(
                        std::chrono::duration_cast<std::chrono::nanoseconds>(timeout).count()),
                    .name = name,
                    .payload = payload};
  questions_[query.id] = {now + timeout, {.asked = membership_.living()}, std::move(onAnswers)};
  on(query, encode(SerfMessage(query)));
}

}  // namespace twill::gossip
