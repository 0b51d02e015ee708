// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/slots/slot_keeper.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/fnv.hpp"
#include "datastore/gossip/big_endian.hpp"
#include "datastore/gossip/slots/slots.hpp"

namespace twill::gossip {
namespace {

using std::chrono::seconds;

constexpr seconds kSaveAgain{1};
/// A lost user event is made good by the next one.
constexpr seconds kSayAgain{5};

Error noConfig(std::string_view why) {
  return {.text = fmt::format("a node that founds a cluster needs a network config: {}", why),
          .kind = Error::Kind::invalid};
}

}  // namespace

SlotKeeper::SlotKeeper(SlotState state, KeeperOptions options, TimePoint now, std::int64_t wallSeconds)
    : state_(std::move(state)),
      options_(std::move(options)),
      started_(now),
      now_(now),
      startedWall_(wallSeconds),
      random_(options_.boot),
      founding_(options_.expect),
      askAt_(now),
      reserveAt_(now),
      sayAt_(now),
      exchangeAt_(now) {}

Result<SlotKeeper> SlotKeeper::start(SlotState state, KeeperOptions options, TimePoint now,
                                     std::int64_t wallSeconds) {
  SlotKeeper keeper(std::move(state), std::move(options), now, wallSeconds);
  const bool founds = !keeper.state_.cluster && (!keeper.options_.join || keeper.options_.expect > 0);
  if (founds || !keeper.options_.network.empty()) {
    const auto network = parseNetworkConfig(keeper.options_.network);
    if (!network) return Failure(noConfig(network.error().text));
    if (const auto& place = keeper.options_.place) {
      TWILL_CHECK(slotOfAddress(place->address, place->underlay, slotCount(*network)));
    }
  }
  if (keeper.state_.cluster) {
    TWILL_CHECK(keeper.fits(*keeper.state_.cluster));
    keeper.network_ = *parseNetworkConfig(keeper.state_.cluster->config);
    keeper.mine_ = keeper.held();
  }
  keeper.unsaved_ = true;  // an id that is not on the disk would be another one after the next start
  keeper.actions_.changed = true;
  keeper.settle(now);
  return keeper;
}

void SlotKeeper::members(TimePoint now, std::vector<SlotPeer> members) {
  std::sort(members.begin(), members.end(),
            [](const SlotPeer& one, const SlotPeer& other) { return one.id < other.id; });
  std::swap(members_, members);
  for (const SlotPeer& before : members) {
    if (memberOf(before.id) == nullptr) vanished_.try_emplace(before.id, now);
  }
  for (const SlotPeer& member : members_) {
    vanished_.erase(member.id);
    noteNode(member.id, member.generation);
  }
  actions_.changed = true;
  settle(now);
}

Result<void> SlotKeeper::exchanged(TimePoint now, std::string_view bytes) {
  TWILL_TRY(const SlotNews news, parseSlotNews(bytes));
  if (!news.cluster) {
    if (news.sight) founding_.heard(news.from, *news.sight);
    settle(now);
    return {};
  }
  if (!news.info) return fail("a slot table without its cluster's config", Error::Kind::invalid);
  if (state_.cluster) {
    TWILL_CHECK(checkCluster(*news.cluster, news.from));
    TWILL_CHECK(admit(*news.info, news.from));
  } else {
    TWILL_CHECK(fits(*news.info));
    join(*news.info);
  }
  heardPeer_ = true;
  noteNode(news.from, 1);
  merge(now, news);
  settle(now);
  return {};
}

Result<void> SlotKeeper::heardDelta(TimePoint now, std::string_view bytes) {
  TWILL_TRY(const SlotNews news, parseSlotNews(bytes));
  if (!news.cluster) {
    if (news.sight) founding_.heard(news.from, *news.sight);
  } else if (state_.cluster) {  // else they are records without the table they belong to
    TWILL_CHECK(checkCluster(*news.cluster, news.from));
    if (news.info) {
      TWILL_CHECK(admit(*news.info, news.from));
    }
    merge(now, news);
  }
  settle(now);
  return {};
}

Result<void> SlotKeeper::configure(TimePoint now, const std::string& network) {
  if (!state_.cluster) return fail("this node is in no cluster yet; try again later", Error::Kind::busy);
  TWILL_TRY(const NetworkConfig parsed, parseNetworkConfig(network));
  if (!samePool(parsed, *network_)) {
    return fail(fmt::format("the pool of a cluster stays as it is: {}; the new config has {}",
                            poolText(*network_), poolText(parsed)),
                Error::Kind::conflict);
  }
  state_.cluster->config = network;
  state_.cluster->configVersion = std::min(state_.cluster->configVersion, UINT32_MAX - 1) + 1;
  state_.cluster->configWriter = state_.id;
  network_ = parsed;
  newInfo_ = unsaved_ = actions_.changed = true;
  settle(now);
  return {};
}

void SlotKeeper::advance(TimePoint now) {
  settle(now);
}

/// Level, not edge: inputs only note what is so, and this does whatever follows from it.
void SlotKeeper::settle(TimePoint now) {
  now_ = now;
  deadline_.reset();
  if (!state_.cluster) found(now);
  if (!state_.cluster) seek(now);
  if (state_.cluster && !isCopied(state_.id)) {
    fence();
    sweep(now);
    release(now);
    rest(now);
    activate(now);
    ask(now);
    handOver(now);
  }
  forgetClashes(now);
  if (saveBy_ && now >= *saveBy_) unsaved_ = true;
}

void SlotKeeper::found(TimePoint now) {
  if (options_.expect > 0) {
    if (now >= sayAt_) {
      newSight_ = true;
      sayAt_ = now + kSayAgain;
    }
    wakeAt(sayAt_);
    if (!founding_.mayFound(state_.id, aliveIds())) return;
  } else if (options_.join || !state_.nodes.empty()) {
    return;
  }
  network_ = *parseNetworkConfig(options_.network);
  state_.cluster = ClusterInfo{.id = options_.newCluster,
                               .slots = slotCount(*network_),
                               .byAddress = options_.place.has_value(),
                               .config = options_.network,
                               .configVersion = 1,
                               .configWriter = state_.id};
  state_.table = SlotTable(state_.cluster->slots);
  heardPeer_ = unsaved_ = true;
  if (state_.cluster->byAddress) return;
  for (std::uint32_t slot = 0; slot < state_.cluster->slots; ++slot)
    write({.slot = slot, .owner = state_.id, .version = 1, .generation = state_.generation});
}

/// One of the others may have founded a cluster, or been let into one.
void SlotKeeper::seek(TimePoint now) {
  if (aliveIds().size() < 2) return;
  if (now >= exchangeAt_) {
    actions_.exchange = true;
    exchangeAt_ = now + kExchangeAgain;
  }
  wakeAt(exchangeAt_);
}

std::vector<NodeId> SlotKeeper::aliveIds() const {
  std::vector<NodeId> alive = {state_.id};
  for (const SlotPeer& member : members_) {
    if (member.sign == SlotPeer::Sign::alive && member.id != state_.id) alive.push_back(member.id);
  }
  return alive;
}

SlotNews SlotKeeper::news() const {
  SlotNews news{.from = state_.id};
  if (state_.cluster) news.cluster = state_.cluster->id;
  return news;
}

Result<SlotActions> SlotKeeper::take(const Save& save) {
  if (unsaved_) {
    if (auto saved = save(toText(state_)); !saved) {
      // They may speak of what is not saved. Losing them is as harmless as if the network had.
      actions_.letters.clear();
      saveError_ = saved.error().text;
      return Failure(std::move(saved).error());
    }
    unsaved_ = false;
    saveBy_.reset();
    saveError_.clear();
  }
  SlotNews fresh = news();
  if (newInfo_) fresh.info = state_.cluster;
  if (newSight_ && !state_.cluster) fresh.sight = sightOf(aliveIds());
  std::vector<const SlotRecord*> records;
  for (const std::uint32_t slot : newSlots_) records.push_back(&state_.table.at(slot));
  fresh.runs = runsOf(records);
  for (const NodeId& node : newTombstones_) fresh.tombstones.push_back(state_.table.tombstones().at(node));
  newSlots_.clear();
  newTombstones_.clear();
  newInfo_ = newSight_ = false;
  // A copy must not take up what the other one writes in the name of both.
  const auto now = state_.cluster ? held() : std::nullopt;
  mine_ = isCopied(state_.id) && now != mine_ ? std::nullopt : now;
  actions_.deltas = deltas(fresh);
  return std::exchange(actions_, {});
}

Result<std::string> SlotKeeper::tableMessage() const {
  if (unsaved_) return fail("the slot table is not saved yet", Error::Kind::busy);
  SlotNews whole = news();
  if (!state_.cluster) {
    if (options_.expect > 0) whole.sight = sightOf(aliveIds());
    return encode(whole);
  }
  whole.info = state_.cluster;
  for (const auto& [node, generation] : state_.nodes) {
    if (!state_.table.isRemoved(node, generation)) whole.nodes[node] = generation;
  }
  whole.runs = state_.table.runs();
  for (const auto& [node, tombstone] : state_.table.tombstones()) whole.tombstones.push_back(tombstone);
  return encode(whole);
}

std::uint64_t SlotKeeper::digest() const {
  if (!state_.cluster) return 0;
  std::uint64_t digest =
      fnv1a(fmt::format("{} {}", state_.cluster->configVersion, state_.cluster->configWriter.raw()));
  const auto add = [&](const NodeId& node, std::uint32_t generation) {
    std::string text(node.raw());
    appendBig(text, generation, sizeof generation);
    digest ^= fnv1a(text);
  };
  add(state_.id, state_.generation);
  // Who was ever heard of counts: slots of removed nodes rest until all of those were in reach.
  for (const auto& [node, generation] : state_.nodes) {
    if (!state_.table.isRemoved(node, generation)) add(node, generation);
  }
  return digest ^ state_.table.digest();
}

void SlotKeeper::wakeAt(TimePoint time) {
  deadline_ = deadline_ ? std::min(*deadline_, time) : time;
}

std::optional<TimePoint> SlotKeeper::nextDeadline() const {
  const auto save = unsaved_ ? std::optional(now_ + kSaveAgain) : saveBy_;
  return deadline_ && save ? std::min(deadline_, save) : (deadline_ ? deadline_ : save);
}

std::int64_t SlotKeeper::wallAt(TimePoint now) const {
  return startedWall_ + std::chrono::duration_cast<seconds>(now - started_).count();
}

}  // namespace twill::gossip
