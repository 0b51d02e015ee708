// SPDX-License-Identifier: Apache-2.0
// udp: each packet is the payload of a UDP datagram to the peer, and nothing else, as flannel's udp does it.
// A process, twill-tunnel, carries them between a TUN and its socket. It works wherever UDP gets to, with 22
// bytes less around a packet than vxlan, and carries IPv6 over an underlay of IPv4 alone.
#include <algorithm>

#include <fmt/format.h>

#include "backend/backend.hpp"
#include "backend/peers.hpp"
#include "backend/senders.hpp"

namespace twill {
namespace {

constexpr std::string_view kType = "udp";
constexpr const char* kOwner = "node";
constexpr const char* kDevice = "twill-udp";
constexpr std::uint16_t kFlannelPort = 8285;
constexpr int kLeastMtu = 68;     // RFC 791
constexpr int kLeastMtu6 = 1280;  // RFC 8200; with less the kernel turns IPv6 off

/// IP and UDP headers. All nodes of a network with IPv4 have an IPv4 address, and are sent to there.
int overhead(const NetworkConfig& config) {
  return (config.v4 ? 20 : 40) + 8;
}

int underlayMtu(const NetworkConfig& config, const Underlay& underlay) {
  return config.backend.mtu != 0 ? std::min(config.backend.mtu, underlay.mtu) : underlay.mtu;
}

Result<int> mtu(const NetworkConfig& config, const Underlay& underlay) {
  const int least = (config.v6 ? kLeastMtu6 : kLeastMtu) + overhead(config);
  if (config.backend.mtu != 0 && config.backend.mtu < least) {
    return fail(
        fmt::format("network config: Backend.MTU is {}, of which the tunnel takes {}; leave it out, or "
                    "make it {} or more",
                    config.backend.mtu, overhead(config), least),
        Error::Kind::invalid);
  }
  const int whole = underlayMtu(config, underlay);
  return config.backend.directRouting ? whole : whole - overhead(config);
}

std::uint16_t portOf(const NetworkConfig& config) {
  return config.backend.port != 0 ? config.backend.port : kFlannelPort;
}

/// The family by which both nodes can be reached: IPv4 when both have it.
std::optional<Family> carrier(const Lease& peer, const Self& self) {
  for (const Family family : {Family::v4, Family::v6}) {
    if (self.underlay.addressOf(family) && peer.publicIpOf(family)) return family;
  }
  return std::nullopt;
}

void addDevice(const NetworkConfig& config, const Self& self, KernelState& out) {
  out.put(Link{.name = kDevice,
               .kind = LinkKind::tun,
               .alias = std::string(kAliasPrefix) + "udp",
               .mtu = underlayMtu(config, self.underlay) - overhead(config),
               .owner = kOwner});
  if (config.v6) {
    out.put(
        Sysctl{.path = fmt::format("net/ipv6/conf/{}/accept_ra", kDevice), .value = "0", .owner = kOwner});
  }
}

/// What this node has of a family: an address for what it sends itself, and the way of containers to nodes.
void addFamily(const Cluster& cluster, Family family, const Self& self, Desired& out) {
  const auto& subnet = *self.lease.subnetOf(family);
  out.state.put(
      Address{.link = kDevice, .address = {subnet.address(), subnet.address().bits()}, .owner = kOwner});
  out.state.put(Rule{.from = subnet, .owner = kOwner});
  out.tunnel->own.push_back(subnet);
  if (const auto& own = self.lease.publicIpOf(family)) out.tunnel->own.push_back(Prefix::host(*own));
  keepContainersOut({.family = family, .port = portOf(cluster.network), .headers = 0}, cluster, out.state);
}

/// A peer as the tunnel knows it. All of them: who is reached in another way may still send by this one while
/// the cluster changes from one backend to another.
void addPeer(const NetworkConfig& config, const Lease& peer, const Self& self, TunnelConfig& out) {
  const auto family = carrier(peer, self);
  if (!family) return;
  TunnelConfig::Peer entry{.name = peer.name(), .endpoint = *peer.publicIpOf(*family), .prefixes = {}};
  for (const Family inner : {Family::v4, Family::v6}) {
    if (config.family(inner) == nullptr) continue;
    if (const auto& subnet = peer.subnetOf(inner)) entry.prefixes.push_back(*subnet);
    if (const auto& node = peer.publicIpOf(inner)) entry.prefixes.push_back(Prefix::host(*node));
  }
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
  route.link = kDevice;
  out.put(route);
  if (!node) return {};
  route.dst = Prefix::host(*node);
  route.table = kRoutingTable;
  out.put(std::move(route));
  return {};
}

/// Why there can be no device; empty when there can.
std::string reasonAgainstDevice(const NetworkConfig& config, const Self& self) {
  const auto& underlay = self.underlay;
  if (!underlay.v4 && !underlay.v6) return fmt::format("{} has no address", underlay.link);
  const int mtu = underlayMtu(config, underlay) - overhead(config);
  if (!config.v6 || mtu >= kLeastMtu6) return {};
  return fmt::format("the underlay's MTU of {} leaves {} bytes, and IPv6 needs {}; raise the MTU of {}",
                     underlayMtu(config, underlay), mtu, kLeastMtu6, underlay.link);
}

void desired(const Cluster& cluster, const Self& self, Desired& out) {
  const auto& config = cluster.network;
  if (auto reason = reasonAgainstDevice(config, self); !reason.empty()) {
    out.notices.push_back(fmt::format("no {}: {}", kDevice, reason));
    return;
  }
  const auto addressIn = [&](Family family) -> std::optional<IpAddress> {
    const auto& address = self.underlay.addressOf(family);
    return address ? std::optional(address->address) : std::nullopt;
  };
  out.tunnel = TunnelConfig{.device = kDevice,
                            .port = portOf(config),
                            .local4 = addressIn(Family::v4),
                            .local6 = addressIn(Family::v6),
                            .own = {},
                            .peers = {}};
  addDevice(config, self, out.state);
  for (const Family family : {Family::v4, Family::v6}) {
    if (config.family(family) != nullptr && self.lease.subnetOf(family))
      addFamily(cluster, family, self, out);
  }
  Notices notices;
  for (const auto& peer : cluster.leases) {
    if (isOwn(peer, self)) continue;
    addPeer(config, peer, self, *out.tunnel);
    if (!isReachedBy(kType, peer, config)) continue;
    for (const Family family : {Family::v4, Family::v6}) {
      const auto& subnet = peer.subnetOf(family);
      if (!subnet || config.family(family) == nullptr || !self.lease.subnetOf(family)) continue;
      const auto reason = connect(config, peer, *subnet, self, out.state);
      if (!reason.empty())
        notices.add(fmt::format("no route to {} of {}: {}", subnet->text(), peer.name(), reason));
    }
  }
  std::move(notices).moveTo(out.notices, "subnets without a route");
}

}  // namespace

extern const Backend udp;
constinit const Backend udp{.type = kType, .mtu = mtu, .publish = nullptr, .desired = desired};

}  // namespace twill
