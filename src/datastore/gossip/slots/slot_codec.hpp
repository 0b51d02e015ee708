// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "datastore/gossip/slots/founding.hpp"
#include "datastore/gossip/slots/slot_table.hpp"

/// What nodes tell each other about slots, as MessagePack. Pure. Everything that is read is bounded and every
/// field checked; unknown keys are passed over, so that later versions can add some.
namespace twill::gossip {

/// A delta's limit. A Serf user event has 512 bytes at most, and its name and header need some 50 of them.
constexpr std::size_t kLongestDelta = 440;

/// The whole table in a push/pull, or what is new as a delta.
struct SlotNews {
  NodeId from{};
  std::optional<ClusterId> cluster{};  ///< none: the sender is in no cluster yet
  std::optional<ClusterInfo> info{};   ///< with the whole table always, else when it is new
  std::optional<Sight> sight{};        ///< while the first nodes wait for each other
  /// With the whole table: every node the sender has heard of and that was not removed, with its generation.
  std::map<NodeId, std::uint32_t> nodes{};
  std::vector<SlotRun> runs{};  ///< ascending, without overlap
  std::vector<Tombstone> tombstones{};

  bool operator==(const SlotNews&) const = default;
};

[[nodiscard]] std::string encode(const SlotNews& news);
/// Kind::invalid, with what is wrong.
[[nodiscard]] Result<SlotNews> parseSlotNews(std::string_view bytes);

/// `news` cut into messages of at most kLongestDelta bytes. A record whose data alone is too long for one is
/// left out: it reaches the others with the next push/pull only. So does an `info` that is too long.
[[nodiscard]] std::vector<std::string> deltas(const SlotNews& news);

}  // namespace twill::gossip
