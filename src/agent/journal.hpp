// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <span>
#include <string>

#include "plan/diff.hpp"

namespace twill {

/// Why operations were carried out.
enum class Cause : std::uint8_t {
  start,       ///< the first comparison after the agent came up
  cluster,     ///< the map, the network config or the underlay changed
  attachment,  ///< a container came or went
  drift,       ///< the kernel was changed by somebody else
  retry,       ///< an earlier attempt had failed
};
[[nodiscard]] std::string_view textOf(Cause cause);

/// The last operations of this agent, kept for people to look at. Entries are rendered only when somebody
/// asks.
class Journal {
 public:
  struct Entry {
    std::uint64_t number = 0;  ///< counts all operations since the agent came up, from 1
    std::chrono::system_clock::time_point time;
    Cause cause;
    Operation operation;
    std::string error;  ///< empty when it was done
  };

  static constexpr std::size_t kKept = 1000;

  /// Each operation with its cause and what came of it.
  void record(std::span<const Cause> causes, std::span<const Operation> operations,
              std::span<const Result<void>> results);

  [[nodiscard]] const std::deque<Entry>& entries() const { return entries_; }
  [[nodiscard]] std::uint64_t total() const { return total_; }
  [[nodiscard]] std::uint64_t failed() const { return failed_; }
  /// Operations that repaired drift, since the agent came up.
  [[nodiscard]] std::uint64_t repairs() const { return repairs_; }

 private:
  std::deque<Entry> entries_;
  std::uint64_t total_ = 0;
  std::uint64_t failed_ = 0;
  std::uint64_t repairs_ = 0;
};

}  // namespace twill
