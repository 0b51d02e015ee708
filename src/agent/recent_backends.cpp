// SPDX-License-Identifier: Apache-2.0
#include "agent/recent_backends.hpp"

#include <algorithm>

namespace twill {
namespace {

/// Some times as long as a map takes to come to all nodes.
constexpr auto kLinger = std::chrono::seconds(3);

}  // namespace

void RecentBackends::note(const std::vector<std::string_view>& inUse, TimePoint now) {
  std::erase_if(lastUsed_, [&](const auto& entry) { return entry.second + kLinger <= now; });
  for (const auto type : inUse) lastUsed_[type] = now;
}

std::vector<std::string_view> RecentBackends::at(TimePoint now) const {
  std::vector<std::string_view> types;
  for (const auto& [type, used] : lastUsed_) {
    if (used + kLinger > now) types.push_back(type);
  }
  return types;
}

std::optional<TimePoint> RecentBackends::nextEnd(const std::vector<std::string_view>& inUse,
                                                 TimePoint now) const {
  std::optional<TimePoint> first;
  for (const auto& [type, used] : lastUsed_) {
    const TimePoint end = used + kLinger;
    if (end <= now || std::find(inUse.begin(), inUse.end(), type) != inUse.end()) continue;
    if (!first || end < *first) first = end;
  }
  return first;
}

}  // namespace twill
