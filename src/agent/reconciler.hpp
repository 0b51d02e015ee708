// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "plan/diff.hpp"

namespace twill {

using TimePoint = std::chrono::steady_clock::time_point;

/// Decides which operations of a difference are carried out now and which wait: an owner whose operation
/// failed is retried alone, after a delay that doubles from 10 ms to 30 s, while everybody else goes on.
/// Pure but for its own memory: time comes in as a value.
class Reconciler {
 public:
  struct Failure {
    std::string operation;  ///< "add route 172.16.1.0/24 via ..."
    std::string error;
    unsigned attempts = 0;
    TimePoint retryAt;
  };

  /// The operations whose owner may be tried at `now`, in their order.
  [[nodiscard]] std::vector<Operation> due(std::vector<Operation> operations, TimePoint now) const;

  /// Remembers what came of them: a first failure per owner starts or lengthens its delay, a success of all
  /// of an owner's operations ends it.
  void record(std::span<const Operation> operations, std::span<const Result<void>> results, TimePoint now);

  /// Forgets owners that the difference no longer names: their trouble went away by itself.
  void keepOnly(std::span<const Operation> operations);

  /// Tries everybody again at once: something changed that may have been in the way.
  void retryAll(TimePoint now);

  /// When the next owner may be tried; nothing when nobody waits.
  [[nodiscard]] std::optional<TimePoint> nextRetry() const;

  [[nodiscard]] const std::map<std::string, Failure>& failures() const { return failures_; }  ///< by owner

 private:
  std::map<std::string, Failure> failures_;
};

}  // namespace twill
