// SPDX-License-Identifier: Apache-2.0
// host-gw: a peer's subnet is routed straight to the peer's own address. Nothing is encapsulated, so every
// router in between would have to know the containers' addresses: peers must be on the same segment.
#include <fmt/format.h>

#include "backend/backend.hpp"
#include "backend/peers.hpp"

namespace twill {
namespace {

constexpr std::string_view kType = "host-gw";

Result<int> mtu(const NetworkConfig&, const Underlay& underlay) {
  return underlay.mtu;
}

/// The route to one of a peer's subnets, or why there is none.
std::string connect(const FamilyConfig& network, const Lease& peer, const Prefix& subnet, const Self& self,
                    KernelState& out) {
  const Family family = subnet.family();
  if (auto reason = reasonAgainstPeer(peer, family, self); !reason.empty()) return reason;
  const auto& nextHop = *peer.publicIpOf(family);
  if (self.underlay.onSegment(nextHop)) {
    out.put(directRoute(peer, network, subnet, self));
    return {};
  }
  return fmt::format(
      "its address {} is outside {}, the segment of {}; add a route on the router between the "
      "segments, or choose a backend that encapsulates",
      nextHop.text(), self.underlay.addressOf(family)->prefix().text(), self.underlay.link);
}

void desired(const Cluster& cluster, const Self& self, Desired& out) {
  Notices notices;
  for (const Family family : {Family::v4, Family::v6}) {
    const auto* network = cluster.network.family(family);
    if (network == nullptr) continue;
    forPeers(kType, family, cluster, self, notices, [&](const Lease& peer, const Prefix& subnet) {
      return connect(*network, peer, subnet, self, out.state);
    });
  }
  std::move(notices).moveTo(out.notices, "subnets without a route");
}

}  // namespace

extern const Backend hostGw;
constinit const Backend hostGw{
    .type = kType, .mtu = mtu, .publish = nullptr, .desired = desired, .viaPublicAddress = true};

}  // namespace twill
