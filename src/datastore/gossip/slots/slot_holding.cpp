// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "datastore/gossip/slots/slot_keeper.hpp"
#include "datastore/gossip/slots/slots.hpp"

namespace twill::gossip {
namespace {

/// Until then other nodes may still send to containers that were in the slot: routes, connections, caches.
constexpr std::chrono::minutes kRest{10};
/// A node that restarts alone waits for so long for a peer to appear after all.
constexpr std::chrono::seconds kAlone{30};

}  // namespace

bool SlotKeeper::isOwn(const SlotRecord& record) const {
  return record.version != 0 && record.owner == state_.id && record.generation == state_.generation;
}

std::vector<std::uint32_t> SlotKeeper::ownFree() const {
  std::vector<std::uint32_t> slots;
  for (const SlotRecord& record : state_.table.records()) {
    if (isOwn(record) && record.use == SlotUse::free) slots.push_back(record.slot);
  }
  return slots;
}

/// The slot that is in use: the same as before, else the lowest, where a disk that was put back had another.
std::optional<std::uint32_t> SlotKeeper::held() const {
  const auto isHeld = [&](std::uint32_t slot) {
    const SlotRecord& record = state_.table.at(slot);
    return isOwn(record) && record.use == SlotUse::active && !record.data.empty();
  };
  if (state_.cluster->byAddress) {
    const std::uint32_t slot = placedSlot();
    return isHeld(slot) ? std::optional(slot) : std::nullopt;
  }
  if (mine_ && isHeld(*mine_)) return mine_;
  for (std::uint32_t slot = 0; slot < state_.table.slots(); ++slot) {
    if (isHeld(slot)) return slot;
  }
  return std::nullopt;
}

/// Of the address mode; fits() has seen to it that there is one.
std::uint32_t SlotKeeper::placedSlot() const {
  return *slotOfAddress(options_.place->address, options_.place->underlay, state_.cluster->slots);
}

bool SlotKeeper::mayUseFree(TimePoint now) const {
  return heardPeer_ || (state_.nodes.empty() && now >= started_ + kAlone);
}

void SlotKeeper::write(const SlotRecord& record) {
  newSlots_.insert(record.slot);
  state_.table.merge(record);
  unsaved_ = actions_.changed = true;
}

void SlotKeeper::use(std::uint32_t slot, SlotVersion version) {
  resting_.erase(slot);
  clashes_.erase(slot);
  write({.slot = slot,
         .owner = state_.id,
         .version = version,
         .use = SlotUse::active,
         .generation = state_.generation,
         .data = *wanted_});
}

void SlotKeeper::setData(std::uint32_t slot, const std::string& data) {
  SlotRecord record = state_.table.at(slot);
  record.version = nextVersion(record.version);
  record.data = data;
  write(record);
}

Result<void> SlotKeeper::want(TimePoint now, std::string data) {
  if (!isLeaseText(data)) {
    return fail(fmt::format("a lease of {} bytes cannot be told to other nodes; expected JSON of at most {}",
                            data.size(), kLongestData),
                Error::Kind::invalid);
  }
  wanted_ = std::move(data);
  settle(now);
  return {};
}

void SlotKeeper::giveBack(TimePoint now) {
  wanted_.reset();
  if (state_.cluster) {
    if (const auto slot = held()) setData(*slot, "");
  }
  settle(now);
}

/// Active slots that are wanted no more become free, in time. After a restart the time begins anew.
void SlotKeeper::rest(TimePoint now) {
  const auto kept = held();
  std::map<std::uint32_t, TimePoint> resting;
  for (const SlotRecord& record : state_.table.records()) {
    if (!isOwn(record) || record.use != SlotUse::active || record.slot == kept) continue;
    const auto known = resting_.find(record.slot);
    resting[record.slot] = known == resting_.end() ? now + kRest : known->second;
  }
  resting_ = resting;
  for (const auto& [slot, until] : resting) {
    if (!state_.table.at(slot).data.empty()) setData(slot, "");
    if (now < until) {
      wakeAt(until);
      continue;
    }
    SlotRecord record = state_.table.at(slot);
    record.version = nextVersion(record.version);
    record.use = SlotUse::free;
    write(record);
    resting_.erase(slot);
  }
}

void SlotKeeper::activate(TimePoint now) {
  if (!wanted_ || leaving_) return;
  if (const auto slot = held()) {
    if (state_.table.at(*slot).data != *wanted_) setData(*slot, *wanted_);
    return;
  }
  if (state_.cluster->byAddress) return activatePlaced(now);
  if (!resting_.empty()) {
    const std::uint32_t slot = resting_.begin()->first;
    return use(slot, nextVersion(state_.table.at(slot).version));
  }
  if (!mayUseFree(now)) {
    if (state_.nodes.empty()) wakeAt(started_ + kAlone);
    return;
  }
  const auto free = ownFree();
  if (free.empty()) return;
  use(free.front(), nextVersion(state_.table.at(free.front()).version));
}

/// The slot goes with the address: whoever had it before, if alive, has it still or gives it back himself.
void SlotKeeper::activatePlaced(TimePoint now) {
  const std::uint32_t slot = placedSlot();
  const SlotRecord& record = state_.table.at(slot);
  placeError_.clear();
  if (isOwn(record)) return use(slot, nextVersion(record.version));
  if (record.use == SlotUse::active && !state_.table.isRemoved(record.owner, record.generation) &&
      isAlive(record.owner)) {
    placeError_ = fmt::format(
        "{} follows from the address {} of this node, {}, and {} holds it: two nodes "
        "have one address, or one of them a wrong one; give one of them another",
        slotText(slot), options_.place->address.text(), textOf(state_.id), textOf(record.owner));
    actions_.changed = true;
    return;
  }
  if (mayUseFree(now)) {
    use(slot, record.version == 0 ? 1 : raisedVersion(record.version));
  } else if (state_.nodes.empty()) {
    wakeAt(started_ + kAlone);
  }
}

}  // namespace twill::gossip
