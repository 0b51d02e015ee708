// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "agent/time_point.hpp"
#include "plan/diff.hpp"

namespace twill {

/// Decides which operations of a difference are carried out now and which wait: an owner whose operation
/// failed is retried alone, after a delay that doubles from 10 ms to 30 s, while everybody else goes on. An
/// owner whose objects somebody else undoes as often as they are repaired waits as well, up to 1 s, so that
/// the fight costs little; a repair that held for a moment is followed by the next one at once.
/// Pure but for its own memory: time comes in as a value.
class Reconciler {
 public:
  struct Failure {
    std::string operation;  ///< "add route 172.16.1.0/24 via ..."
    std::string error;
    unsigned attempts = 0;
    TimePoint triedAt;
    TimePoint retryAt;
    unsigned hurries = 0;  ///< retryAll() made it be tried before its time, in vain
    bool hurried = false;
  };

  /// The operations whose owner may be tried at `now`, in their order. Whether a repair of another one has
  /// held shows by the next operation of the same owner.
  [[nodiscard]] std::vector<Operation> due(std::vector<Operation> operations, TimePoint now);

  /// Remembers what came of them: a first failure per owner starts or lengthens its delay, a success of all
  /// of an owner's operations ends it.
  void record(std::span<const Operation> operations, std::span<const Result<void>> results, TimePoint now);

  /// Forgets owners that the difference no longer names: their trouble went away by itself.
  void keepOnly(std::span<const Operation> operations);

  /// Tries everybody again at once: something changed that may have been in the way. One for whom that was
  /// in vain is hurried less and less, but once a second at least.
  void retryAll(TimePoint now);

  /// When the next owner may be tried; nothing when nobody waits.
  [[nodiscard]] std::optional<TimePoint> nextRetry() const;

  [[nodiscard]] const std::map<std::string, Failure>& failures() const { return failures_; }  ///< by owner

 private:
  /// Successful operations of one owner that did not hold.
  struct Repair {
    unsigned attempts = 0;
    TimePoint doneAt;
  };
  void noteRepair(const std::string& owner, TimePoint now);
  [[nodiscard]] bool mustWait(const std::string& owner, TimePoint now);

  std::map<std::string, Failure> failures_;
  std::map<std::string, Repair> repairs_;
  std::optional<TimePoint> heldUntil_;  ///< when the first of those that the last due() held back may go
};

}  // namespace twill
