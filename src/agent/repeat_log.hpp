// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>

namespace twill {

/// Keeps what happens over and over from filling the log: the first few of a kind are said as they come, then
/// one a minute, with the number of those that were not. Pure but for its own memory: time comes in as a
/// value.
class RepeatLog {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// What to write about one more event of the kind `text`; nothing when it was said often enough.
  [[nodiscard]] std::optional<std::string> line(const std::string& text, Time now);

 private:
  struct Kind {
    unsigned said = 0;    ///< lines in this minute
    unsigned unsaid = 0;  ///< events since the last line
    Time minute;          ///< when this minute began
    Time seen;
  };
  void forget(Time now);

  static constexpr std::size_t kMany = 1000;

  std::map<std::string, Kind> kinds_;
  std::size_t many_ = kMany;  ///< kinds that are remembered before the old ones are looked for
};

}  // namespace twill
