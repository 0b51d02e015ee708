// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <fmt/format.h>

#include "datastore/gossip/slots/slot_keeper.hpp"

namespace twill::gossip {
namespace {

using std::chrono::seconds;
using Kind = GrantMessage::Kind;

constexpr std::size_t kLargestGrant = 64;
constexpr seconds kAnswerIn{2};
constexpr unsigned kAskTries = 3;
constexpr unsigned kHandOverTries = 5;
/// Not all nodes that start at once should ask the same one at once again, so up to four times as much.
constexpr std::chrono::milliseconds kAskAgain{150};
/// For a slot in reserve, which nobody waits for.
constexpr seconds kReserveAgain{30};

}  // namespace

Result<void> SlotKeeper::heardLetter(TimePoint now, std::string_view bytes) {
  TWILL_TRY(const GrantMessage message, parseGrantMessage(bytes));
  if (!state_.cluster) return fail("this node is in no cluster yet", Error::Kind::busy);
  if (message.kind == Kind::request) {
    answer(now, message);
  } else {
    TWILL_CHECK(checkCluster(message.cluster, message.from));
    receive(now, message);
  }
  settle(now);
  return {};
}

void SlotKeeper::send(const NodeId& to, GrantMessage message, bool answer) {
  message.cluster = state_.cluster->id;
  message.from = state_.id;
  message.generation = state_.generation;
  actions_.letters.push_back({.to = to, .bytes = encode(message), .answer = answer});
}

std::vector<const SlotPeer*> SlotKeeper::livePeers() const {
  std::vector<const SlotPeer*> peers;
  for (const SlotPeer& member : members_) {
    if (member.sign == SlotPeer::Sign::alive && member.id != state_.id && !isCopied(member.id) &&
        !state_.table.isRemoved(member.id, member.generation)) {
      peers.push_back(&member);
    }
  }
  return peers;
}

/// Live peers that have at least so many free slots, as far as is known here: each as often as it has slots,
/// so that who has most is asked most.
std::vector<const SlotPeer*> SlotKeeper::granters(std::size_t least) const {
  std::map<NodeId, std::size_t> free;
  for (const SlotRecord& record : state_.table.records()) {
    if (record.version != 0 && record.use == SlotUse::free) free[record.owner]++;
  }
  std::vector<const SlotPeer*> tickets;
  for (const SlotPeer* peer : livePeers()) {
    const auto has = free.find(peer->id);
    if (has != free.end() && has->second >= least) tickets.insert(tickets.end(), has->second, peer);
  }
  return tickets;
}

void SlotKeeper::ask(TimePoint now) {
  const bool urgent = wanted_ && !held();
  if (!wanted_ || leaving_ || state_.cluster->byAddress || !ownFree().empty()) {
    asked_.reset();
    return;
  }
  const auto request = [&] {
    send(asked_->peer, {.kind = Kind::request, .request = asked_->request}, false);
    wakeAt(now + kAnswerIn);
  };
  if (asked_) {
    if (now < asked_->sent + kAnswerIn) return wakeAt(asked_->sent + kAnswerIn);
    if (asked_->tries < kAskTries && isAlive(asked_->peer)) {
      asked_->tries++;
      asked_->sent = now;
      return request();
    }
    refusedBy_ = asked_->peer;
    asked_.reset();
  }
  TimePoint& next = urgent ? askAt_ : reserveAt_;
  if (now < next) return wakeAt(next);
  next = now + (urgent ? kAskAgain : kReserveAgain);
  // The last free slot of a peer is for one who has none: two nodes would only pass it to and fro.
  auto peers = granters(urgent ? 1 : 2);
  const auto refused = [&](const SlotPeer* peer) { return refusedBy_ && peer->id == *refusedBy_; };
  if (!std::all_of(peers.begin(), peers.end(), refused)) std::erase_if(peers, refused);
  if (peers.empty()) return wakeAt(next);
  asked_ = {.peer = peers[random_() % peers.size()]->id, .request = random_(), .sent = now};
  request();
}

/// Why the asker gets nothing; empty if it gets something.
std::string SlotKeeper::refusalOf(TimePoint now, const GrantMessage& request) const {
  if (auto same = checkCluster(request.cluster, request.from); !same) return same.error().text;
  if (state_.table.isRemoved(request.from, request.generation))
    return fmt::format("{} was removed from the cluster; it comes back once it has heard of that",
                       textOf(request.from));
  if (isCopied(state_.id) || isCopied(request.from))
    return fmt::format("two nodes run with the state of {}",
                       textOf(isCopied(state_.id) ? state_.id : request.from));
  if (state_.cluster->byAddress) return "slots follow from addresses in this cluster";
  if (leaving_) return textOf(state_.id) + " is leaving";
  if (!mayUseFree(now)) return textOf(state_.id) + " has just started and heard no peer yet";
  return "";
}

/// How many of so many free slots the asker gets: half, but of the others that have none each shall find two
/// here, one to use and one to give. Where a hundred start at once the first ones would have all, and the
/// rest would go round asking.
std::size_t SlotKeeper::shareOf(const NodeId& asker, std::size_t free) const {
  std::set<NodeId> owners = {asker};
  for (const SlotRecord& record : state_.table.records()) {
    if (record.version != 0) owners.insert(record.owner);
  }
  const auto peers = livePeers();
  const auto needy = std::count_if(peers.begin(), peers.end(),
                                   [&](const SlotPeer* peer) { return !owners.contains(peer->id); });
  const std::size_t kept = std::min(free, 2 * static_cast<std::size_t>(needy));
  return std::clamp<std::size_t>(std::min(free / 2, free - kept), 1, kLargestGrant);
}

void SlotKeeper::answer(TimePoint now, const GrantMessage& request) {
  GrantMessage reply{.kind = Kind::refusal, .request = request.request, .refusal = refusalOf(now, request)};
  if (reply.refusal.empty()) {
    const auto before = granted_.find(request.from);
    if (before == granted_.end() || before->second.request != request.request) {
      std::vector<std::uint32_t> slots = ownFree();
      const std::size_t count = shareOf(request.from, slots.size());
      // The highest ones: what stays and what goes are one run each.
      if (slots.size() > count) slots.erase(slots.begin(), slots.end() - static_cast<std::ptrdiff_t>(count));
      if (slots.empty()) reply.refusal = textOf(state_.id) + " has no free slot";
      give(slots, request.from, request.generation);
      if (!slots.empty()) granted_[request.from] = {.request = request.request, .slots = slots};
    }
    if (reply.refusal.empty()) {
      reply.kind = Kind::grant;
      reply.runs = runsOwnedBy(request.from, granted_[request.from].slots);
    }
  }
  send(request.from, std::move(reply), true);
}

void SlotKeeper::give(const std::vector<std::uint32_t>& slots, const NodeId& to, std::uint32_t generation) {
  for (const std::uint32_t slot : slots) {
    write({.slot = slot,
           .owner = to,
           .version = nextVersion(state_.table.at(slot).version),
           .generation = generation});
  }
}

std::vector<SlotRun> SlotKeeper::runsOwnedBy(const NodeId& owner,
                                             const std::vector<std::uint32_t>& slots) const {
  std::vector<const SlotRecord*> records;
  for (const std::uint32_t slot : slots) {
    if (state_.table.at(slot).owner == owner) records.push_back(&state_.table.at(slot));
  }
  return runsOf(records);
}

/// The receiver's new slots in a message. One who was removed may not know it, and gives what it has no more.
void SlotKeeper::mergeOwn(TimePoint now, const GrantMessage& message) {
  if (state_.table.isRemoved(message.from, message.generation)) return;
  SlotNews news;
  for (const SlotRun& run : message.runs) {
    if (run.first.owner == state_.id) news.runs.push_back(run);
  }
  merge(now, news);
}

void SlotKeeper::receive(TimePoint now, const GrantMessage& message) {
  const bool awaited = asked_ && asked_->peer == message.from && asked_->request == message.request;
  if (message.kind == Kind::grant) {
    mergeOwn(now, message);
    if (awaited) asked_.reset();
  } else if (message.kind == Kind::refusal && awaited) {
    refusedBy_ = message.from;
    asked_.reset();
    askAt_ = now + kAskAgain * static_cast<int>(1 + random_() % 4);
    // Others have what it had a moment ago; a whole table shows who.
    if (!held() && now >= exchangeAt_) {
      actions_.exchange = true;
      exchangeAt_ = now + kExchangeAgain;
    }
  } else if (message.kind == Kind::handOver) {
    mergeOwn(now, message);
    send(message.from, {.kind = Kind::received, .request = message.request}, true);
  } else if (message.kind == Kind::received && handedOver_ && handedOver_->request == message.request) {
    handedOver_.reset();
  }
}

void SlotKeeper::leave(TimePoint now) {
  leaving_ = true;
  settle(now);
}

void SlotKeeper::handOver(TimePoint now) {
  if (!leaving_) return;
  const auto tell = [&] {
    send(handedOver_->peer,
         {.kind = Kind::handOver,
          .request = handedOver_->request,
          .runs = runsOwnedBy(handedOver_->peer, handedSlots_)},
         false);
    wakeAt(now + kAnswerIn);
  };
  if (handedOver_) {
    if (now < handedOver_->sent + kAnswerIn) return wakeAt(handedOver_->sent + kAnswerIn);
    if (handedOver_->tries < kHandOverTries) {
      handedOver_->tries++;
      handedOver_->sent = now;
      return tell();
    }
    handedOver_.reset();  // gossip has told it to others, who tell the peer
  }
  const auto peers = livePeers();
  handedSlots_ = ownFree();
  if (handedSlots_.empty() || peers.empty() || state_.cluster->byAddress || !mayUseFree(now)) {
    actions_.mayLeave = true;
    return;
  }
  const SlotPeer& peer = *peers[random_() % peers.size()];
  give(handedSlots_, peer.id, peer.generation);
  handedOver_ = {.peer = peer.id, .request = random_(), .sent = now};
  tell();
}

}  // namespace twill::gossip
