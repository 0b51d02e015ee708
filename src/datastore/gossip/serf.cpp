// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/serf.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace twill::gossip {
namespace {

/// Serf's UserEvent and query buffers: what is further behind the clock than this is not looked at.
constexpr std::uint64_t kRemembered = 512;
/// A Lamport time beyond this was not reached by counting; taking it over would end the clock.
constexpr std::uint64_t kImpossibleTime = std::uint64_t{1} << 62U;
/// Serf's RecentIntentTimeout and ReapInterval.
constexpr auto kKeepIntents = std::chrono::minutes(5);
constexpr auto kReapInterval = std::chrono::seconds(15);
/// Events that a push/pull brings to those that missed them. Serf keeps 512 times' worth; each joining node
/// tells them all again, before its own.
constexpr std::size_t kEventsInState = 16;

std::string userMessage(const std::string& serfMessage) {
  return encode(Message(User{serfMessage}));
}

}  // namespace

const char* nameOf(MemberStatus status) {
  switch (status) {
    case MemberStatus::alive:
      return "alive";
    case MemberStatus::leaving:
      return "leaving";
    case MemberStatus::left:
      return "left";
    case MemberStatus::failed:
      break;
  }
  return "failed";
}

void Serf::LamportClock::witness(std::uint64_t other) {
  if (other >= time_ && other < kImpossibleTime) time_ = other + 1;
}

bool Serf::Seen::add(std::uint64_t clock, std::uint64_t time, const std::string& what) {
  if (time + kRemembered < clock || time >= kImpossibleTime) return false;
  byTime_.erase(byTime_.begin(), byTime_.lower_bound(clock > kRemembered ? clock - kRemembered : 0));
  auto& here = byTime_[time];
  if (std::find(here.begin(), here.end(), what) != here.end()) return false;
  here.push_back(what);
  return true;
}

Serf::Serf(Membership::Options options, const Tags& tags, Carrier& carrier, SerfUser& user)
    : carrier_(carrier),
      user_(user),
      tags_(tags),
      membership_(
          [&] {
            options.meta = encodeTags(tags).value_or(std::string());
            return options;
          }(),
          carrier, *this),
      random_(options.seed + 1) {}

void Serf::start(Time now) {
  now_ = now;
  reconnectAt_ = now + membership_.timers().reconnectInterval;
  reapAt_ = now + kReapInterval;
  membership_.start(now);
}

void Serf::receive(Time now, const Message& message, const Endpoint& from) {
  now_ = now;
  membership_.receive(now, message, from);
}

Result<void> Serf::merge(Time now, const PushPull& theirs) {
  now_ = now;
  return membership_.merge(now, theirs);
}

void Serf::broadcast(Queue queue, const std::string& serfMessage, bool own) {
  queues_.at(queue).add({}, userMessage(serfMessage), own);
  membership_.hasten(now_);
}

std::vector<std::string> Serf::broadcasts(std::size_t room, std::size_t overhead) {
  std::vector<std::string> all;
  const int limit = Broadcasts::transmits(membership_.timers().retransmitMultiplier, membership_.size());
  for (auto& queue : queues_) {
    for (auto& message : queue.take(room, overhead, limit)) {
      room -= message.size() + overhead;
      all.push_back(std::move(message));
    }
  }
  return all;
}

void Serf::setStatus(SerfMember& member, MemberStatus status) {
  if (status != member.status) member.since = now_;
  member.status = status;
  user_.memberChanged(member);
}

void Serf::memberJoined(const SwimMember& member) {
  auto [known, isNew] = members_.try_emplace(member.name);
  SerfMember& ours = known->second;
  ours.name = member.name;
  ours.endpoint = member.endpoint;
  ours.meta = member.meta;
  ours.accuser.clear();
  if (isNew) ours.since = now_;
  auto status = MemberStatus::alive;
  if (const auto intent = recentIntents_.find(member.name); intent != recentIntents_.end()) {
    ours.statusTime = std::max(ours.statusTime, intent->second.time);
    if (intent->second.leaves) status = MemberStatus::leaving;
    recentIntents_.erase(intent);
  }
  setStatus(ours, status);
}

void Serf::memberUpdated(const SwimMember& member) {
  const auto known = members_.find(member.name);
  if (known == members_.end()) return;
  known->second.endpoint = member.endpoint;
  known->second.meta = member.meta;
  user_.memberChanged(known->second);
}

void Serf::memberGone(const SwimMember& member) {
  const auto known = members_.find(member.name);
  if (known == members_.end()) return;
  known->second.accuser = member.accuser;
  const bool left = known->second.status == MemberStatus::leaving || member.state == NodeState::left;
  setStatus(known->second, left ? MemberStatus::left : MemberStatus::failed);
}

void Serf::nameConflict(const SwimMember& member, const Alive& other) {
  user_.nameConflict(member, other);
}

Result<void> Serf::admit(const std::string& name, const std::string& meta) {
  return user_.admit(name, meta);
}

std::optional<std::uint64_t> Serf::digestFor(const SwimMember& member) {
  return user_.digestFor(member.meta);
}

/// Of a node that is no member yet.
bool Serf::remember(const std::string& node, bool leaves, std::uint64_t time) {
  Intent& intent = recentIntents_[node];
  if (intent.time != 0 && time <= intent.time) return false;
  intent = {leaves, time, now_};
  return true;
}

bool Serf::takeLeave(const LeaveIntent& leave) {
  clock_.witness(leave.time);
  const auto known = members_.find(leave.node);
  if (known == members_.end()) return remember(leave.node, true, leave.time);
  SerfMember& member = known->second;
  if (leave.time <= member.statusTime) return false;
  if (leave.node == membership_.name() && !leaving_) {
    announceJoin(now_);
    return false;
  }
  member.statusTime = leave.time;
  if (member.status == MemberStatus::alive) setStatus(member, MemberStatus::leaving);
  if (member.status == MemberStatus::failed) {
    membership_.forget(now_, leave.node);
    setStatus(member, MemberStatus::left);
  }
  return true;
}

bool Serf::takeJoin(const JoinIntent& join) {
  clock_.witness(join.time);
  const auto known = members_.find(join.node);
  if (known == members_.end()) return remember(join.node, false, join.time);
  SerfMember& member = known->second;
  if (join.time <= member.statusTime) return false;
  member.statusTime = join.time;
  if (member.status == MemberStatus::leaving) setStatus(member, MemberStatus::alive);
  return true;
}

void Serf::on(const LeaveIntent& leave, const std::string& bytes) {
  if (takeLeave(leave)) broadcast(intents, bytes);
}

void Serf::on(const JoinIntent& join, const std::string& bytes) {
  if (takeJoin(join)) broadcast(intents, bytes);
}

void Serf::on(const UserEvent& event, const std::string& bytes) {
  take(event, bytes, false);
}

void Serf::take(const UserEvent& event, const std::string& bytes, bool own) {
  eventClock_.witness(event.time);
  if (!seenEvents_.add(eventClock_.time(), event.time, event.name + '\0' + event.payload)) return;
  broadcast(events, bytes, own);
  if (!user_.event(event)) return;
  recentEvents_.push_back(event);
  if (recentEvents_.size() > kEventsInState) recentEvents_.erase(recentEvents_.begin());
}

void Serf::user(const std::string& bytes) {
  const auto message = parseSerfMessage(bytes);
  if (!message) {
    spdlog::debug("gossip: {}", message.error().text);
    return;
  }
  std::visit([&](const auto& one) { on(one, bytes); }, *message);
}

std::string Serf::state() {
  SerfState state;
  state.time = clock_.time();
  state.eventTime = eventClock_.time();
  state.queryTime = queryClock_.time();
  for (const auto& [name, member] : members_) {
    state.statusTimes[name] = member.statusTime;
    if (member.status == MemberStatus::left) state.left.push_back(name);
  }
  state.events = recentEvents_;
  state.extra = user_.extraState();
  return encode(SerfMessage(std::move(state)));
}

void Serf::mergeState(const std::string& bytes) {
  const auto message = bytes.empty() ? fail("no state") : parseSerfMessage(bytes);
  const auto* theirs = message ? std::get_if<SerfState>(&*message) : nullptr;
  if (theirs == nullptr) return;
  // Their clocks say which time comes next, not which one was seen.
  if (theirs->time > 0) clock_.witness(theirs->time - 1);
  if (theirs->eventTime > 0) eventClock_.witness(theirs->eventTime - 1);
  if (theirs->queryTime > 0) queryClock_.witness(theirs->queryTime - 1);
  auto times = theirs->statusTimes;
  for (const auto& node : theirs->left) {
    const auto time = times.find(node);
    if (time == times.end()) continue;
    // One later, so that it beats the join of the same time.
    static_cast<void>(takeLeave({time->second + 1, node, false}));
    times.erase(time);
  }
  for (const auto& [node, time] : times) static_cast<void>(takeJoin({time, node}));
  for (const auto& event : theirs->events) on(event, encode(SerfMessage(event)));
  if (!theirs->extra.empty()) user_.mergeExtraState(theirs->extra);
}

void Serf::announceJoin(Time now) {
  now_ = now;
  const JoinIntent join{clock_.tick() + 1, membership_.name()};
  clock_.witness(join.time);
  static_cast<void>(takeJoin(join));
  broadcast(intents, encode(SerfMessage(join)));
}

void Serf::move(Time now, const Endpoint& endpoint) {
  now_ = now;
  membership_.move(now, endpoint);
  memberUpdated(*membership_.find(membership_.name()));
}

void Serf::leave(Time now) {
  now_ = now;
  leaving_ = true;
  const LeaveIntent leave{clock_.tick() + 1, membership_.name(), false};
  static_cast<void>(takeLeave(leave));
  broadcast(intents, encode(SerfMessage(leave)));
  membership_.leave(now);
}

Result<void> Serf::removeFailed(Time now, const std::string& name) {
  now_ = now;
  const auto known = members_.find(name);
  if (known == members_.end()) return fail("no node is named " + name, Error::Kind::missing);
  if (known->second.status != MemberStatus::failed)
    return fail(fmt::format("node {} is {}", name, nameOf(known->second.status)), Error::Kind::conflict);
  const LeaveIntent leave{clock_.tick() + 1, name, false};
  static_cast<void>(takeLeave(leave));
  broadcast(intents, encode(SerfMessage(leave)));
  return {};
}

Result<void> Serf::setTags(Time now, const Tags& tags) {
  now_ = now;
  TWILL_TRY(std::string meta, encodeTags(tags));
  tags_ = tags;
  const auto mine = members_.find(membership_.name());
  if (mine != members_.end()) mine->second.meta = meta;
  membership_.setMeta(now, std::move(meta));
  return {};
}

Result<void> Serf::sendEvent(Time now, const std::string& name, const std::string& payload) {
  now_ = now;
  if (name.size() + payload.size() > kEventLimit) {
    return fail(fmt::format("event {} of {} bytes is longer than the {} that Serf carries", name,
                            name.size() + payload.size(), kEventLimit),
                Error::Kind::invalid);
  }
  const UserEvent event{eventClock_.tick(), name, payload, false};
  take(event, encode(SerfMessage(event)), true);
  return {};
}

void Serf::reconnect() {
  // All nodes try this; together about one of them, whatever the size, tries each failed node each time.
  std::vector<const SerfMember*> failed;
  for (const auto& [name, member] : members_) {
    if (member.status == MemberStatus::failed) failed.push_back(&member);
  }
  if (failed.empty()) return;
  const double living = static_cast<double>(std::max<std::size_t>(membership_.living(), 1));
  if (std::uniform_real_distribution<double>(0, 1)(random_) > static_cast<double>(failed.size()) / living)
    return;
  const auto chosen = std::uniform_int_distribution<std::size_t>(0, failed.size() - 1)(random_);
  carrier_.pushPull(failed[chosen]->endpoint, true);
}

void Serf::reap() {
  const auto keep = membership_.timers().keepDeparted;
  std::erase_if(members_, [&](const auto& entry) {
    const SerfMember& member = entry.second;
    const bool gone = member.status == MemberStatus::left || member.status == MemberStatus::failed;
    return gone && now_ - member.since > keep;
  });
  std::erase_if(recentIntents_, [&](const auto& entry) { return now_ - entry.second.seen > kKeepIntents; });
}

void Serf::advance(Time now) {
  now_ = now;
  membership_.advance(now);
  if (reconnectAt_ <= now) {
    reconnect();
    reconnectAt_ = now + membership_.timers().reconnectInterval;
  }
  if (reapAt_ <= now) {
    reap();
    reapAt_ = now + kReapInterval;
  }
  for (auto question = questions_.begin(); question != questions_.end();) {
    const auto here = question++;
    if (here->second.deadline > now) continue;
    const auto over = questions_.extract(here);
    over.mapped().onAnswers(over.mapped().answers);
  }
}

Time Serf::next() const {
  Time due = std::min({membership_.next(), reconnectAt_, reapAt_});
  for (const auto& [id, question] : questions_) due = std::min(due, question.deadline);
  return due;
}

}  // namespace twill::gossip
