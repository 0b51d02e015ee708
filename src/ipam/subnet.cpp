// SPDX-License-Identifier: Apache-2.0
#include "ipam/subnet.hpp"

#include <algorithm>
#include <functional>
#include <vector>

#include <fmt/format.h>

namespace twill {
namespace {

using Index = std::uint64_t;

/// The subnets of a network by number, SubnetMin being 0.
class Numbering {
 public:
  explicit Numbering(const FamilyConfig& config)
      : config_(config), first_(config.network.indexOf(config.subnetMin)) {}

  [[nodiscard]] Index count() const { return config_.network.indexOf(config_.subnetMax) - first_ + 1; }
  [[nodiscard]] Prefix at(Index n) const { return config_.network.subnet(config_.subnetLength, first_ + n); }
  /// Whether a node may have this one back. SubnetMin and SubnetMax only say what is handed out anew: one
  /// that a person gave outside of them has containers on it.
  [[nodiscard]] bool fits(const Prefix& subnet) const {
    return subnet.length() == config_.subnetLength && config_.network.contains(subnet);
  }
  /// First and last number that a lease's subnet, of whatever length, takes up; clamped to the numbering.
  [[nodiscard]] std::pair<Index, Index> taken(const Prefix& subnet) const {
    int length = config_.subnetLength;
    Index from = config_.network.indexOf(Prefix(subnet.address(), length));
    Index to = config_.network.indexOf(Prefix(subnet.last(), length));
    return {from < first_ ? 0 : from - first_, to < first_ ? 0 : to - first_};
  }

 private:
  const FamilyConfig& config_;
  Index first_;
};

/// The first number at or after `start`, going round, that no interval of `taken` (sorted) covers.
std::optional<Index> freeFrom(const std::vector<std::pair<Index, Index>>& taken, Index start, Index count) {
  auto search = [&](Index from, Index end) -> std::optional<Index> {
    for (const auto& [first, last] : taken) {
      if (from < first) break;
      from = std::max(from, last + 1);
    }
    return from < end ? std::optional(from) : std::nullopt;
  };
  auto found = search(start, count);
  return found ? found : search(0, start);
}

Result<Prefix> choose(const Cluster& cluster, const FamilyConfig& config, const std::string& node,
                      const std::optional<Prefix>& previous) {
  Numbering numbering(config);
  Family family = config.network.family();
  std::vector<std::pair<Index, Index>> taken;
  bool previousFree = previous && numbering.fits(*previous);
  for (const Lease& lease : cluster.leases) {
    const auto& subnet = lease.subnetOf(family);
    if (!subnet || !config.network.contains(*subnet)) continue;
    if (lease.node == node) return *subnet;
    taken.push_back(numbering.taken(*subnet));
    previousFree = previousFree && !previous->overlaps(*subnet);
  }
  if (previousFree) return *previous;
  std::sort(taken.begin(), taken.end());
  Index start = std::hash<std::string>()(node) % numbering.count();
  auto free = freeFrom(taken, start, numbering.count());
  if (!free) {
    return fail(
        fmt::format(
            "no free subnet for {}: all {} subnets /{} of {} from SubnetMin {} to SubnetMax {} are taken; "
            "remove leases of nodes that are gone, or make the network larger",
            node, numbering.count(), config.subnetLength, config.network.text(),
            config.subnetMin.address().text(), config.subnetMax.address().text()),
        Error::Kind::busy);
  }
  return numbering.at(*free);
}

}  // namespace

Result<NodeSubnets> chooseSubnets(const Cluster& cluster, const std::string& node,
                                  const NodeSubnets& previous) {
  NodeSubnets subnets;
  if (cluster.network.v4) {
    TWILL_TRY(subnets.v4, choose(cluster, *cluster.network.v4, node, previous.v4));
  }
  if (cluster.network.v6) {
    TWILL_TRY(subnets.v6, choose(cluster, *cluster.network.v6, node, previous.v6));
  }
  return subnets;
}

}  // namespace twill
