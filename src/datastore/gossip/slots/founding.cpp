// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/slots/founding.hpp"

#include <algorithm>

#include "base/fnv.hpp"

namespace twill::gossip {

Sight sightOf(std::vector<NodeId> ids) {
  std::sort(ids.begin(), ids.end());
  std::string bytes;
  for (const NodeId& id : ids) bytes += id.raw();
  return {.count = static_cast<std::uint32_t>(ids.size()), .digest = fnv1a(bytes)};
}

bool Founding::mayFound(const NodeId& self, const std::vector<NodeId>& alive) const {
  if (alive.size() < expect_ ||
      std::any_of(alive.begin(), alive.end(), [&](const NodeId& id) { return id < self; })) {
    return false;
  }
  const Sight mine = sightOf(alive);
  return std::all_of(alive.begin(), alive.end(), [&](const NodeId& id) {
    const auto found = sights_.find(id);
    return id == self || (found != sights_.end() && found->second == mine);
  });
}

}  // namespace twill::gossip
