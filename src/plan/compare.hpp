// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "plan/state.hpp"

namespace twill {

/// True when the kernel's object already does what the wanted one asks. Fields that only one side knows
/// (owner, index, running, a veth's far end) do not count, nor do wanted optionals that are empty.
[[nodiscard]] bool satisfies(const Sysctl& actual, const Sysctl& wanted);
/// For a table: it has all that is wanted; it may have more.
[[nodiscard]] bool satisfies(const Firewall& actual, const Firewall& wanted);
[[nodiscard]] bool satisfies(const SetElement& actual, const SetElement& wanted);
[[nodiscard]] bool satisfies(const Link& actual, const Link& wanted);
[[nodiscard]] bool satisfies(const Neighbour& actual, const Neighbour& wanted);
[[nodiscard]] bool satisfies(const ForwardingEntry& actual, const ForwardingEntry& wanted);
[[nodiscard]] bool satisfies(const Route& actual, const Route& wanted);

/// True when a table has chains, sets or counters that are not wanted.
[[nodiscard]] bool holdsMore(const Firewall& actual, const Firewall& wanted);

/// True when a set's elements that stand apart have a place in a table written as wanted. Else they go with
/// the old set.
[[nodiscard]] bool keepsElements(const std::string& set, const Firewall& actual, const Firewall& wanted);

/// True when a wanted link has to be made: it is not there (`actual` is null), or one of ours with another
/// kind, or with what only making it anew can change, has its name. Whatever an actual state says to be on
/// such a link is gone, or goes with the old link.
[[nodiscard]] bool mustBeMade(const Link& wanted, const Link* actual);

/// Where `key` is, or would be put: the first entry whose key is not below it. At once behind all others,
/// since thousands mostly come sorted.
template <class Map>
auto placeOf(Map& map, const typename Map::key_type& key) {
  const bool last = map.empty() || map.rbegin()->first < key;
  return last ? map.end() : map.lower_bound(key);
}

/// Finds ascending keys in a sorted map: steps when they are dense, searches when they are sparse. Walking
/// all of one map beside another costs the sum of their sizes; looking up a few costs a logarithm each.
template <class Map>
class Cursor {
 public:
  explicit Cursor(const Map& map) : map_(map), at_(map.begin()) {}

  /// The first entry whose key is not below `key`, which must not be below that of the last call.
  typename Map::const_iterator seek(const typename Map::key_type& key) {
    constexpr int kSteps = 8;  // about what a search costs in a large map
    for (int step = 0; step < kSteps; ++step, ++at_) {
      if (at_ == map_.end() || !(at_->first < key)) return at_;
    }
    return at_ = map_.lower_bound(key);
  }

  /// The entry of `key`, or null.
  const typename Map::mapped_type* find(const typename Map::key_type& key) {
    const auto found = seek(key);
    return found != map_.end() && found->first == key ? &found->second : nullptr;
  }

 private:
  const Map& map_;
  typename Map::const_iterator at_;
};

}  // namespace twill
