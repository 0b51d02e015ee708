// SPDX-License-Identifier: Apache-2.0
// ipip: across segments each packet is the payload of an IPv4 packet to the peer (RFC 2003; IPv6 inside: RFC
// 4213), which takes 20 bytes; inside a segment it goes as it is. That is Calico's CrossSubnet. By the
// kernel's drivers (ipip_driver.hpp), or by programs (bpf/ipip.bpf.c) at a device that carries nothing
// itself.
#include <algorithm>

#include <fmt/format.h>

#include "backend/backend.hpp"
#include "backend/ipip_driver.hpp"
#include "backend/overlay.hpp"
#include "backend/peers.hpp"
#include "plan/network_names.hpp"

namespace twill {
namespace {

constexpr std::string_view kType = "ipip";
constexpr const char* kOwner = "node";
constexpr int kOverhead = 20;  // an IPv4 header without options

Result<int> mtu(const NetworkConfig& config, const Underlay& underlay) {
  return overlayMtu(config, underlay, kOverhead);
}

int deviceMtu(const NetworkConfig& config, const Self& self) {
  return underlayMtu(config, self.underlay) - kOverhead;
}

const char* deviceOf(const IpipEngine& engine, Family inner) {
  return engine.driver ? ipipDriverDevice(inner) : kIpipDevice;
}

void addDevice(const NetworkConfig& config, const Self& self, KernelState& out) {
  out.put(Link{.name = kIpipDevice,
               .kind = LinkKind::tun,
               .alias = std::string(kAliasPrefix) + "ipip",
               .mtu = deviceMtu(config, self),
               .owner = kOwner});
}

/// All peers are in it: who is on this segment may be elsewhere tomorrow, and who is reached in another way
/// may still send by this one while the cluster changes from one to another.
IpipTunnel tunnelOf(const Cluster& cluster, const Self& self) {
  IpipTunnel tunnel{.device = kIpipDevice,
                    .underlay = self.underlay.link,
                    .local = self.underlay.v4->address,
                    .own = prefixesOf(cluster.network, self.lease),
                    .peers = {}};
  for (const auto& peer : cluster.leases) {
    if (isOwn(peer, self) || !peer.publicIp || isOwnAddress(*peer.publicIp, self)) continue;
    tunnel.peers.push_back({.endpoint = *peer.publicIp, .prefixes = prefixesOf(cluster.network, peer)});
  }
  return tunnel;
}

/// What fits inside on the way to `node`, where a router takes less than this node's link; else 0. So the
/// kernel says it to who sends more. IPv6 may have no less than kLeastMtu6.
std::uint32_t pathMtu(const NetworkConfig& config, const IpAddress& node, Family inner, const Self& self) {
  constexpr int kLeastMtu6 = 1280;  // RFC 8200
  const auto found = self.pathMtus.find(node);
  if (found == self.pathMtus.end()) return 0;
  const int fits = std::max(found->second - kOverhead, inner == Family::v6 ? kLeastMtu6 : 0);
  return fits < deviceMtu(config, self) ? static_cast<std::uint32_t>(fits) : 0;
}

/// The routes to one of a peer's subnets and to its address, or why there are none.
std::string connect(const NetworkConfig& config, const Lease& peer, const Prefix& subnet, const Self& self,
                    Desired& out) {
  const Family inner = subnet.family();
  const auto& node = peer.publicIpOf(inner);
  const bool near = node && self.underlay.onSegment(*node);
  const Family carrier = config.backend.directRouting && near ? inner : Family::v4;
  if (auto reason = reasonAgainstPeer(peer, carrier, self); !reason.empty()) return reason;
  if (config.backend.directRouting && near) {
    out.state.put(directRoute(peer, *config.family(inner), subnet, self));
    return {};
  }
  Route route = routeTo(peer, *config.family(inner), subnet);
  route.link = deviceOf(*out.ipipEngine, inner);
  if (out.ipipEngine->driver) {
    route.via = ipipNextHop(inner, *peer.publicIp);
    route.onlink = true;
  }
  route.mtu = pathMtu(config, *peer.publicIp, inner, self);
  addOverlayRoutes(std::move(route), node, self, out.state);
  return {};
}

/// What containers send as IPIP to a node would, masqueraded, look like this node's.
void keepContainersOut(const Cluster& cluster, const Self& self, KernelState& out) {
  auto& forward = tableIn(out, self).chains["ipip_forward"];
  forward.hook = "type filter hook forward priority filter";
  std::string rule = R"(iifname "tw*" ip protocol { 4, 41 })";
  if (cluster.network.v4) rule += fmt::format(" ip daddr != {}", cluster.network.v4->network.text());
  forward.rules.push_back(rule + " drop");
}

void addFamily(const Cluster& cluster, Family family, const Self& self, Desired& out, Notices& notices) {
  const auto& config = cluster.network;
  if (auto reason = reasonAgainstMtu(config, self.underlay, kOverhead, family); !reason.empty()) {
    out.notices.push_back(fmt::format("no IPv6 over {}: {}", deviceOf(*out.ipipEngine, family), reason));
    return;
  }
  if (out.ipipEngine->driver) {
    addIpipDriver(family, deviceMtu(config, self), self, out.state);
    admitIpipPeers(family, cluster, self, out.state);
  }
  addOverlayEnd(deviceOf(*out.ipipEngine, family), *self.lease.subnetOf(family), self, out.state);
  forPeers(kType, family, cluster, self, notices,
           [&](const Lease& peer, const Prefix& prefix) { return connect(config, peer, prefix, self, out); });
}

void desired(const Cluster& cluster, const Self& self, Desired& out) {
  const auto& config = cluster.network;
  if (!self.underlay.v4) {
    out.notices.push_back(fmt::format("no {}: {} has no IPv4 address", kIpipDevice, self.underlay.link));
    return;
  }
  noteUnusedMtu(config, self.underlay, out.notices);
  out.ipipEngine = chooseIpipEngine(config.backend.engine, self.noIpipDriver);
  if (!out.ipipEngine->problem.empty()) out.notices.push_back(out.ipipEngine->problem);
  if (!out.ipipEngine->driver) {
    out.ipip = tunnelOf(cluster, self);
    addDevice(config, self, out.state);
  }
  keepContainersOut(cluster, self, out.state);
  Notices notices;
  for (const Family family : {Family::v4, Family::v6}) {
    if (config.family(family) != nullptr && self.lease.subnetOf(family))
      addFamily(cluster, family, self, out, notices);
  }
  std::move(notices).moveTo(out.notices, "subnets without a route");
}

}  // namespace

extern const Backend ipip;
constinit const Backend ipip{.type = kType, .mtu = mtu, .publish = nullptr, .desired = desired};

}  // namespace twill
