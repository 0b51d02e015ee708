// SPDX-License-Identifier: Apache-2.0
#include "agent/reconciler.hpp"

#include <algorithm>
#include <set>

namespace twill {
namespace {

constexpr std::chrono::milliseconds kFirstDelay{10};
constexpr std::chrono::milliseconds kLongestDelay{30'000};

std::chrono::milliseconds delayAfter(unsigned attempts) {
  auto delay = kFirstDelay * (1U << std::min(attempts - 1, 12U));
  return std::min(delay, kLongestDelay);
}

}  // namespace

std::vector<Operation> Reconciler::due(std::vector<Operation> operations, TimePoint now) const {
  std::erase_if(operations, [&](const Operation& operation) {
    auto failure = failures_.find(operation.owner());
    return failure != failures_.end() && failure->second.retryAt > now;
  });
  return operations;
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
    failure.retryAt = now + delayAfter(failure.attempts);
  }
  if (failures_.empty()) return;
  for (const Operation& operation : operations) {
    if (!failed.contains(operation.owner())) failures_.erase(operation.owner());
  }
}

void Reconciler::keepOnly(std::span<const Operation> operations) {
  if (failures_.empty()) return;
  std::set<std::string> named;
  for (const Operation& operation : operations) named.insert(operation.owner());
  std::erase_if(failures_, [&](const auto& entry) { return !named.contains(entry.first); });
}

void Reconciler::retryAll(TimePoint now) {
  for (auto& [owner, failure] : failures_) failure.retryAt = now;
}

std::optional<TimePoint> Reconciler::nextRetry() const {
  std::optional<TimePoint> next;
  for (const auto& [owner, failure] : failures_) {
    if (!next || failure.retryAt < *next) next = failure.retryAt;
  }
  return next;
}

}  // namespace twill
