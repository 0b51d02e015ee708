// SPDX-License-Identifier: Apache-2.0
// host-gw: a peer's subnet is routed straight to the peer's own address. Nothing is encapsulated, so every
// router in between would have to know the containers' addresses: peers must be on the same segment.
#include <fmt/format.h>

#include "backend/backend.hpp"
#include "backend/peers.hpp"

namespace twill {
namespace {

constexpr std::string_view kType = "host-gw";

int overhead(const NetworkConfig&) {
  return 0;
}

std::string_view familyName(Family family) {
  return family == Family::v4 ? "IPv4" : "IPv6";
}

/// Why there is no route to this peer's subnet in that family; empty when there can be one.
std::string reasonAgainst(const Lease& peer, Family family, const Self& self) {
  const auto& nextHop = peer.publicIpOf(family);
  if (!peer.backendType.empty() && peer.backendType != kType) {
    return fmt::format("its backend is {}; give all nodes the same network config", peer.backendType);
  }
  if (!nextHop) {
    return fmt::format("its lease has no {0} address; set the node's public {0} address", familyName(family));
  }
  if (nextHop == self.lease.publicIpOf(family)) {
    return fmt::format("its address {} is this node's own; remove the stale lease or correct its address",
                       nextHop->text());
  }
  const auto& own = family == Family::v4 ? self.underlay.v4 : self.underlay.v6;
  if (!own) {
    return fmt::format("{} here has no {} address to reach it from; add one", self.underlay.link,
                       familyName(family));
  }
  if (!self.underlay.onSegment(*nextHop)) {
    return fmt::format(
        "its address {} is outside {}, the segment of {}; add a route on the router between the "
        "segments, or choose a backend that encapsulates",
        nextHop->text(), own->prefix().text(), self.underlay.link);
  }
  return {};
}

void desired(const Cluster& cluster, const Self& self, Desired& out) {
  Notices notices;
  for (const auto& peer : cluster.leases) {
    if (isOwn(peer, self)) continue;
    for (const Family family : {Family::v4, Family::v6}) {
      const auto* network = cluster.network.family(family);
      const auto& subnet = peer.subnetOf(family);
      if (network == nullptr || !subnet) continue;
      if (auto reason = reasonAgainst(peer, family, self); !reason.empty()) {
        notices.add(fmt::format("no route to {} of {}: {}", subnet->text(), peer.name(), reason));
        continue;
      }
      Route route;
      route.dst = *subnet;
      route.via = peer.publicIpOf(family);
      route.link = self.underlay.link;
      route.metric = routeMetric(network->network, *subnet);
      route.owner = peer.name();
      out.state.put(std::move(route));
    }
  }
  std::move(notices).moveTo(out.notices, "subnets without a route");
}

}  // namespace

extern const Backend hostGw;
constinit const Backend hostGw{kType, overhead, desired, true};

}  // namespace twill
