// SPDX-License-Identifier: Apache-2.0
#include "agent/repeat_log.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace twill {
namespace {

constexpr unsigned kFew = 5;
constexpr auto kMinute = std::chrono::minutes(1);

}  // namespace

std::optional<std::string> RepeatLog::line(const std::string& text, Time now) {
  if (kinds_.size() >= many_) forget(now);
  const auto [found, fresh] = kinds_.try_emplace(text, Kind{.minute = now, .seen = now});
  Kind& kind = found->second;
  if (now - kind.seen >= kMinute && kind.unsaid == 0) kind = {.minute = now};  // it had come to rest
  kind.seen = now;
  if (kind.said < kFew) {
    kind.said++;
    return text;
  }
  if (now - kind.minute < kMinute) {
    kind.unsaid++;
    return std::nullopt;
  }
  kind.minute = now;
  const auto unsaid = std::exchange(kind.unsaid, 0U);
  return unsaid == 0 ? text : fmt::format("{} (and {} times more since this was said last)", text, unsaid);
}

void RepeatLog::forget(Time now) {
  std::erase_if(kinds_, [&](const auto& entry) { return now - entry.second.seen >= kMinute; });
  many_ = std::max(kMany, 2 * kinds_.size());
}

}  // namespace twill
