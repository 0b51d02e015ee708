// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/broadcasts.hpp"

#include <cmath>

namespace twill::gossip {
namespace {

/// A flood of events must not grow without end: the most often told go first (memberlist's
/// HandoffQueueDepth).
constexpr std::size_t kLongest = 1024;

}  // namespace

int Broadcasts::transmits(int multiplier, std::size_t nodes) {
  return multiplier * static_cast<int>(std::ceil(std::log10(static_cast<double>(nodes) + 1)));
}

void Broadcasts::drop(Queue::iterator entry) {
  if (!entry->second.about.empty()) byAbout_.erase(entry->second.about);
  queue_.erase(entry);
}

void Broadcasts::add(std::string_view about, std::string bytes, bool first) {
  if (const auto earlier = byAbout_.find(about); earlier != byAbout_.end()) drop(earlier->second);
  const Place place{.transmits = first ? -1 : 0, .size = bytes.size(), .number = next_++};
  const auto entry = queue_.emplace(place, Entry{std::string(about), std::move(bytes)}).first;
  if (!about.empty()) byAbout_.emplace(about, entry);
  if (queue_.size() > kLongest) drop(std::prev(queue_.end()));
}

std::vector<std::string> Broadcasts::take(std::size_t room, std::size_t overhead, int limit) {
  std::vector<std::string> taken;
  std::vector<Queue::node_type> again;
  for (auto entry = queue_.begin(); entry != queue_.end() && room > overhead;) {
    const Place& place = entry->first;
    if (place.size + overhead > room) {
      // The next that fits: of those told as often, or the longest of those told once more.
      entry = queue_.lower_bound({place.transmits, room - overhead, UINT64_MAX});
      continue;
    }
    const auto here = entry++;
    room -= place.size + overhead;
    taken.push_back(here->second.bytes);
    if (place.transmits + 1 >= limit) {
      drop(here);
    } else {
      again.push_back(queue_.extract(here));
    }
  }
  for (auto& node : again) {
    node.key().transmits++;
    const auto inserted = queue_.insert(std::move(node)).position;
    if (const auto& about = inserted->second.about; !about.empty()) byAbout_.find(about)->second = inserted;
  }
  return taken;
}

}  // namespace twill::gossip
