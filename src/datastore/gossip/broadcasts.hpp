// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace twill::gossip {

/// What is to be told to everybody, each message so often that a rumour reaches all (memberlist's
/// TransmitLimitedQueue). Pure.
class Broadcasts {
 public:
  /// How often each message goes out in a cluster of `nodes`: multiplier * ceil(log10(nodes + 1)).
  [[nodiscard]] static int transmits(int multiplier, std::size_t nodes);

  /// `about`: takes the place of an earlier one about the same; empty: of none. `first`: goes before those
  /// that others have told, which this node only passes on.
  void add(std::string_view about, std::string bytes, bool first = false);
  /// Those that fit into `room` bytes, with `overhead` more for each: fewest transmits first, then the
  /// longest, then the newest. Each counts as sent once, and goes after `limit` times. Cost: by what is
  /// taken, not by what waits.
  [[nodiscard]] std::vector<std::string> take(std::size_t room, std::size_t overhead, int limit);

  [[nodiscard]] bool empty() const { return queue_.empty(); }
  [[nodiscard]] std::size_t size() const { return queue_.size(); }

 private:
  struct Place {
    int transmits = 0;
    std::size_t size = 0;
    std::uint64_t number = 0;  ///< newer is higher

    bool operator<(const Place& other) const {
      if (transmits != other.transmits) return transmits < other.transmits;
      if (size != other.size) return size > other.size;
      return number > other.number;
    }
  };
  struct Entry {
    std::string about;
    std::string bytes;
  };
  using Queue = std::map<Place, Entry>;

  void drop(Queue::iterator entry);

  Queue queue_;
  std::map<std::string, Queue::iterator, std::less<>> byAbout_;
  std::uint64_t next_ = 0;
};

}  // namespace twill::gossip
