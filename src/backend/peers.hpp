// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "backend/backend.hpp"

namespace twill {

/// True when `lease` is this node's own: the same node name, or the same public address where one of the two
/// has no name.
[[nodiscard]] bool isOwn(const Lease& lease, const Self& self);

/// True for the addresses that this node has on the underlay, and that peers know it by.
[[nodiscard]] bool isOwnAddress(const IpAddress& address, const Self& self);

/// True when this backend is the one to reach a peer by: the one that its lease names or, where it names none
/// that this build has, the network's. They differ while a cluster changes from one to another.
[[nodiscard]] bool isReachedBy(std::string_view type, const Lease& peer, const NetworkConfig& config);

/// Why a peer cannot be sent to in that family; empty when nothing speaks against it.
[[nodiscard]] std::string reasonAgainstPeer(const Lease& peer, Family family, const Self& self);

/// What is behind a node: its subnets and its addresses, of the families that are on.
[[nodiscard]] std::vector<Prefix> prefixesOf(const NetworkConfig& config, const Lease& lease);

/// The route to one of a peer's subnets, but for where it leads.
[[nodiscard]] Route routeTo(const Lease& peer, const FamilyConfig& network, const Prefix& subnet);

/// The road without encapsulation, to a peer on this node's segment.
[[nodiscard]] Route directRoute(const Lease& peer, const FamilyConfig& network, const Prefix& subnet,
                                const Self& self);

/// What a backend could not do, at most kLimit lines and then a count: ten thousand peers in the wrong place
/// are one mistake and not ten thousand.
class Notices {
 public:
  static constexpr std::size_t kLimit = 20;

  void add(std::string text);
  /// Adds them to `out`. `what` names those that were only counted: "peers without a route".
  void moveTo(std::vector<std::string>& out, std::string_view what) &&;

 private:
  std::vector<std::string> texts_;
  std::size_t omitted_ = 0;
};

/// Calls `connect(peer, subnet)` for each subnet of that family whose peer is reached by backend `type`. It
/// returns why the subnet has no route, which becomes a notice, or "".
template <class Connect>
void forPeers(std::string_view type, Family family, const Cluster& cluster, const Self& self,
              Notices& notices, Connect connect) {
  for (const Lease& peer : cluster.leases) {
    const auto& subnet = peer.subnetOf(family);
    if (!subnet || isOwn(peer, self) || !isReachedBy(type, peer, cluster.network)) continue;
    const std::string reason = connect(peer, *subnet);
    if (!reason.empty())
      notices.add(fmt::format("no route to {} of {}: {}", subnet->text(), peer.name(), reason));
  }
}

}  // namespace twill
