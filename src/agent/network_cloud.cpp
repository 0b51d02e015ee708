// SPDX-License-Identifier: Apache-2.0
// A network's part about the cloud's route tables, with a backend that keeps its routes there.
#include <algorithm>

#include <fmt/format.h>

#include "agent/network.hpp"

namespace twill {

/// A subnet's route is made once the subnet is surely ours: it may be another node's until then.
void Network::followCloud() {
  const auto& wish = decision_.desired.cloud;
  if (decision_.leased || !wish) cloud_.follow(wish);
  const auto status = cloud_.status();
  tell("cloud", status ? status->problems : std::vector<std::string>{});
}

/// No route of ours leads to a peer by the cloud: the node's own, the default route as a rule, has to go
/// where the cloud lets its packets in.
void Network::checkCloudRoad(const RouteQuestion& routeTo) {
  const auto& wish = decision_.desired.cloud;
  std::vector<std::string> problems;
  const auto isPeer = [&](const Lease& lease) {
    return wish && lease.backendType == wish->type && lease.node != wish->node && lease.subnet;
  };
  const auto& leases = cluster_->cluster.leases;
  if (const auto peer = std::find_if(leases.begin(), leases.end(), isPeer); peer != leases.end()) {
    const auto link = routeTo(peer->subnet->address().plus(1));
    // By a tunnel for a moment still, when the peer has just come from another backend.
    const bool changes = link && link->starts_with("twill");
    if (!changes && (!link || *link != underlay_->underlay.link))
      problems.push_back(fmt::format(
          "packets to {} of {} leave {} and not by {}, which the cloud knows; make that the default route, "
          "or: ip route add {} via GATEWAY dev {}",
          peer->subnet->text(), peer->name(), link ? "by " + *link : "nowhere", underlay_->underlay.link,
          cluster_->cluster.network.v4->network.text(), underlay_->underlay.link));
  }
  tell("cloud road", std::move(problems));
}

/// Peers that are told of a cloud's way to us use it at once: on a change to it, it has to be there.
bool Network::isKnownToCloud() const {
  const auto& wish = decision_.desired.cloud;
  const bool changesToIt = wish && decision_.leased && decision_.publish &&
                           decision_.publish->backendType == wish->type &&
                           decision_.self.lease.backendType != wish->type;
  return !changesToIt || cloud_.isUp();
}

}  // namespace twill
