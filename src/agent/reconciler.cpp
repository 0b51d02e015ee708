// SPDX-License-Identifier: Apache-2.0
#include "agent/reconciler.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace twill {
namespace {

constexpr std::chrono::milliseconds kFirstDelay{10};
constexpr std::chrono::milliseconds kLongestDelay{30'000};

/// The longest that a fight, or a kernel that never rests, keeps anybody waiting.
constexpr std::chrono::milliseconds kLongestFloor{1000};
/// Repairs in a row that are not a fight yet: one may bring the next to light.
constexpr unsigned kFreeRepairs = 4;
/// A repair that lasted longer than this, and than twice its owner's delay, held.
constexpr std::chrono::milliseconds kHeld{50};

std::chrono::milliseconds delayAfter(unsigned attempts) {
  auto delay = kFirstDelay * (1U << std::min(attempts - 1, 12U));
  return std::min(delay, kLongestDelay);
}

/// How far apart attempts are at least, after `attempts` that were too many.
std::chrono::milliseconds floorAfter(unsigned attempts) {
  return attempts == 0 ? std::chrono::milliseconds(0) : std::min(delayAfter(attempts), kLongestFloor);
}

std::chrono::milliseconds repairFloor(unsigned attempts) {
  return floorAfter(attempts - std::min(attempts, kFreeRepairs));
}

bool hasHeld(unsigned attempts, TimePoint doneAt, TimePoint now) {
  return now - doneAt > std::max(kHeld, 2 * repairFloor(attempts));
}

}  // namespace

std::vector<Operation> Reconciler::due(std::vector<Operation> operations, TimePoint now) {
  heldUntil_.reset();
  std::erase_if(repairs_,
                [&](const auto& entry) { return hasHeld(entry.second.attempts, entry.second.doneAt, now); });
  if (failures_.empty() && repairs_.empty()) return operations;
  std::erase_if(operations, [&](const Operation& operation) { return mustWait(operation.owner(), now); });
  return operations;
}

bool Reconciler::mustWait(const std::string& owner, TimePoint now) {
  auto failure = failures_.find(owner);
  if (failure != failures_.end()) return failure->second.retryAt > now;
  auto repair = repairs_.find(owner);
  if (repair == repairs_.end()) return false;
  const auto& [attempts, doneAt] = repair->second;
  const TimePoint next = doneAt + repairFloor(attempts);
  if (next <= now) return false;
  heldUntil_ = std::min(heldUntil_.value_or(next), next);
  return true;
}

void Reconciler::record(std::span<const Operation> operations, std::span<const Result<void>> results,
                        TimePoint now) {
  std::set<std::string> failed;
  for (std::size_t i = 0; i < operations.size(); ++i) {
    if (results[i] || !failed.insert(operations[i].owner()).second) continue;
    Failure& failure = failures_[operations[i].owner()];
    failure.operation = describe(operations[i]);
    failure.error = results[i].error().text;
    failure.attempts++;
    if (std::exchange(failure.hurried, false)) failure.hurries++;
    failure.triedAt = now;
    failure.retryAt = now + delayAfter(failure.attempts);
  }
  const std::string* last = nullptr;  // operations of one owner mostly stand together
  for (const Operation& operation : operations) {
    const std::string& owner = operation.owner();
    if ((last != nullptr && *last == owner) || failed.contains(owner)) continue;
    last = &owner;
    failures_.erase(owner);
    noteRepair(owner, now);
  }
}

void Reconciler::noteRepair(const std::string& owner, TimePoint now) {
  Repair& repair = repairs_[owner];
  if (repair.attempts > 0 && repair.doneAt == now) return;  // the same batch
  repair.attempts++;
  repair.doneAt = now;
}

void Reconciler::keepOnly(std::span<const Operation> operations) {
  if (failures_.empty()) return;
  std::set<std::string> named;
  for (const Operation& operation : operations) named.insert(operation.owner());
  std::erase_if(failures_, [&](const auto& entry) { return !named.contains(entry.first); });
}

void Reconciler::retryAll(TimePoint now) {
  for (auto& [owner, failure] : failures_) {
    const TimePoint soonest = std::max(now, failure.triedAt + floorAfter(failure.hurries));
    if (soonest >= failure.retryAt) continue;
    failure.retryAt = soonest;
    failure.hurried = true;
  }
}

std::optional<TimePoint> Reconciler::nextRetry() const {
  std::optional<TimePoint> next = heldUntil_;
  for (const auto& [owner, failure] : failures_) {
    if (!next || failure.retryAt < *next) next = failure.retryAt;
  }
  return next;
}

}  // namespace twill
