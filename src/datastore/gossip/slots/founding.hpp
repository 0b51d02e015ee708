// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <vector>

#include "datastore/gossip/slots/slot_record.hpp"

namespace twill::gossip {

/// Whom a node that is in no cluster yet sees alive, itself included.
struct Sight {
  std::uint32_t count = 0;
  std::uint64_t digest = 0;  ///< FNV-1a of the ids, ascending

  auto operator<=>(const Sight&) const = default;
};

[[nodiscard]] Sight sightOf(std::vector<NodeId> ids);

/// Who founds the cluster when its first nodes start together: once `expect` nodes or more see each other
/// unanimously, that is, each says that it sees the very same ones, the lowest id among them does. Two
/// clusters can come of it only where `expect` is no more than half of the nodes that start. Pure.
class Founding {
 public:
  explicit Founding(unsigned expect) : expect_(expect) {}

  /// What another node says that it sees; its last word counts.
  void heard(const NodeId& node, const Sight& sight) { sights_[node] = sight; }
  /// `alive`: the nodes that are seen now, `self` among them.
  [[nodiscard]] bool mayFound(const NodeId& self, const std::vector<NodeId>& alive) const;

 private:
  unsigned expect_;
  std::map<NodeId, Sight> sights_;
};

}  // namespace twill::gossip
