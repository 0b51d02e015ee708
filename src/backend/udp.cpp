// SPDX-License-Identifier: Apache-2.0
// udp: each packet is the payload of a UDP datagram to the peer, and nothing else, as flannel's udp does it.
// A process, twill-tunnel, carries them between a TUN and its socket. It works wherever UDP gets to, with 22
// bytes less around a packet than vxlan, and carries IPv6 over an underlay of IPv4 alone.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "backend/backend.hpp"
#include "backend/overlay.hpp"
#include "backend/peers.hpp"
#include "backend/senders.hpp"
#include "plan/network_names.hpp"

namespace twill {
namespace {

constexpr std::string_view kType = "udp";
constexpr const char* kOwner = "node";

/// IP and UDP headers. All nodes of a network with IPv4 have an IPv4 address, and are sent to there.
int overhead(const NetworkConfig& config) {
  return (config.v4 ? 20 : 40) + 8;
}

Result<int> mtu(const NetworkConfig& config, const Underlay& underlay) {
  return overlayMtu(config, underlay, overhead(config));
}

/// Peers with the kernel engine leave checksums to a network card. Where two nodes are joined by virtual
/// links there is none, and the receiver has to know what to do: Twill's tunnel does, and says so; flannel's
/// does not.
constexpr const char* kTakesPartial = "PartialChecksums";

void publish(const NetworkConfig& config, Lease& lease) {
  std::string& data = config.v4 ? lease.backendData : lease.backendV6Data;
  data = fmt::format(R"({{"{}":true}})", kTakesPartial);
}

bool takesPartialChecksums(const Lease& peer) {
  for (const auto* text : {&peer.backendData, &peer.backendV6Data}) {
    const auto data = nlohmann::json::parse(*text, nullptr, false);
    if (data.is_object() && data.value(kTakesPartial, nlohmann::json()) == true) return true;
  }
  return false;
}

/// The family by which both nodes can be reached: IPv4 when both have it.
std::optional<Family> carrier(const Lease& peer, const Self& self) {
  for (const Family family : {Family::v4, Family::v6}) {
    if (self.underlay.addressOf(family) && peer.publicIpOf(family)) return family;
  }
  return std::nullopt;
}

void addDevice(const NetworkConfig& config, const Self& self, KernelState& out) {
  out.put(Link{.name = tunOf(self.network),
               .kind = LinkKind::tun,
               .alias = std::string(kAliasPrefix) + "udp",
               .mtu = underlayMtu(config, self.underlay) - overhead(config),
               .owner = kOwner});
}

/// A peer as the tunnel knows it. All of them: who is reached in another way may still send by this one while
/// the cluster changes from one backend to another.
void addPeer(const NetworkConfig& config, const Lease& peer, const Self& self, TunnelConfig& out) {
  const auto family = carrier(peer, self);
  if (!family || isOwnAddress(*peer.publicIpOf(*family), self)) return;
  TunnelConfig::Peer entry{.name = peer.name(),
                           .endpoint = *peer.publicIpOf(*family),
                           .prefixes = prefixesOf(config, peer),
                           .partialChecksums = takesPartialChecksums(peer)};
  if (!entry.prefixes.empty()) out.peers.push_back(std::move(entry));
}

/// The routes to one of a peer's subnets and to its address, or why there are none.
std::string connect(const NetworkConfig& config, const Lease& peer, const Prefix& subnet, const Self& self,
                    KernelState& out) {
  const Family inner = subnet.family();
  if (auto reason = reasonAgainstPeer(peer, carrier(peer, self).value_or(inner), self); !reason.empty())
    return reason;
  const auto& node = peer.publicIpOf(inner);
  if (config.backend.directRouting && node && self.underlay.onSegment(*node)) {
    out.put(directRoute(peer, *config.family(inner), subnet, self));
    return {};
  }
  Route route = routeTo(peer, *config.family(inner), subnet);
  route.link = tunOf(self.network);
  addOverlayRoutes(std::move(route), node, self, out);
  return {};
}

/// One family: this node's end, what of it the tunnel has to know, and the roads.
void addFamily(const Cluster& cluster, Family family, const Self& self, Desired& out, Notices& notices) {
  const auto& config = cluster.network;
  const auto device = tunOf(self.network);
  if (auto reason = reasonAgainstMtu(config, self.underlay, overhead(config), family); !reason.empty()) {
    out.notices.push_back(fmt::format("no IPv6 over {}: {}", device, reason));
    return;
  }
  const auto& subnet = *self.lease.subnetOf(family);
  addOverlayEnd(device, subnet, self, out.state);
  out.tunnel->own.push_back(subnet);
  if (const auto& own = self.lease.publicIpOf(family)) out.tunnel->own.push_back(Prefix::host(*own));
  keepContainersOut({.family = family, .port = tunnelPort(kType, config.backend), .headers = 0}, cluster,
                    self, out.state);
  forPeers(kType, family, cluster, self, notices, [&](const Lease& peer, const Prefix& prefix) {
    return connect(config, peer, prefix, self, out.state);
  });
}

/// The kernel engine's programs have one place at the underlay, which several networks would have to share.
std::string engineOf(const NetworkConfig& config, const Self& self, std::vector<std::string>& notices) {
  if (self.network.empty()) return config.backend.engine;
  if (config.backend.engine == "kernel")
    notices.emplace_back("Engine is kernel, which a node in several networks does not have; it is user");
  return "user";
}

std::optional<IpAddress> addressIn(Family family, const Underlay& underlay) {
  const auto& address = underlay.addressOf(family);
  return address ? std::optional(address->address) : std::nullopt;
}

void desired(const Cluster& cluster, const Self& self, Desired& out) {
  const auto& config = cluster.network;
  if (!self.underlay.v4 && !self.underlay.v6) {
    out.notices.push_back(fmt::format("no {}: {} has no address", tunOf(self.network), self.underlay.link));
    return;
  }
  noteUnusedMtu(config, self.underlay, out.notices);
  out.tunnel = TunnelConfig{.device = tunOf(self.network),
                            .underlay = self.underlay.link,
                            .engine = engineOf(config, self, out.notices),
                            .port = tunnelPort(kType, config.backend),
                            .local4 = addressIn(Family::v4, self.underlay),
                            .local6 = addressIn(Family::v6, self.underlay),
                            .own = {},
                            .peers = {}};
  addDevice(config, self, out.state);
  for (const auto& peer : cluster.leases) {
    if (!isOwn(peer, self)) addPeer(config, peer, self, *out.tunnel);
  }
  Notices notices;
  for (const Family family : {Family::v4, Family::v6}) {
    if (config.family(family) != nullptr && self.lease.subnetOf(family))
      addFamily(cluster, family, self, out, notices);
  }
  std::move(notices).moveTo(out.notices, "subnets without a route");
}

}  // namespace

extern const Backend udp;
constinit const Backend udp{.type = kType, .mtu = mtu, .publish = publish, .desired = desired};

}  // namespace twill
