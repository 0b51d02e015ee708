// SPDX-License-Identifier: Apache-2.0
#include "trace/tunnel.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <netinet/in.h>

namespace twill::trace {

namespace {

/// The peer that an address is behind, by the longest prefix. Peers of a TunnelConfig or an IpipTunnel.
template <class Peer>
const Peer* peerOf(const std::vector<Peer>& peers, const IpAddress& address) {
  const Peer* best = nullptr;
  int length = -1;
  for (const auto& peer : peers) {
    for (const Prefix& prefix : peer.prefixes) {
      if (!prefix.contains(address) || prefix.length() <= length) continue;
      best = &peer;
      length = prefix.length();
    }
  }
  return best;
}

}  // namespace

std::optional<Tunnel> encapsulateByUdp(const Place& place, const IpAddress& dst) {
  const TunnelConfig& config = *place.udp;
  const auto* peer = peerOf(config.peers, dst);
  if (peer == nullptr) return std::nullopt;
  const bool v4 = peer->endpoint.isV4();
  const auto& local = v4 ? config.local4 : config.local6;
  if (!local) return std::nullopt;
  constexpr int kUdp = 8;
  return Tunnel{.kind = TunnelKind::udp,
                .src = *local,
                .dst = peer->endpoint,
                .port = config.port,
                .vni = 0,
                .added = kUdp + (v4 ? 20 : 40),
                .road = {}};
}

Result<std::string> decapsulateByUdp(const Place& place, const Tunnel& tunnel, const IpAddress& src) {
  if (!place.udp || place.udp->port != tunnel.port)
    return fail(fmt::format("{} has no udp tunnel at UDP port {}", place.name, tunnel.port));
  const auto* peer = peerOf(place.udp->peers, src);
  if (peer == nullptr || peer->endpoint != tunnel.src)
    return fail(fmt::format("{} takes nothing with the source {} from {}", place.name, src.text(),
                            tunnel.src.text()));
  const Interface* device = place.find(place.udp->device);
  if (device == nullptr || !device->link.up)
    return fail(
        fmt::format("{} {} is {}", place.name, place.udp->device, device == nullptr ? "not there" : "down"));
  return place.udp->device;
}

std::optional<Tunnel> encapsulateByIpip(const Interface& device, const IpAddress& dst) {
  const IpipTunnel& ipip = *device.ipipExit;
  const auto* peer = peerOf(ipip.peers, dst);
  if (peer == nullptr) return std::nullopt;
  return Tunnel{.kind = TunnelKind::ipip,
                .src = ipip.local,
                .dst = peer->endpoint,
                .protocol = dst.isV4() ? IPPROTO_IPIP : IPPROTO_IPV6,
                .added = 20,
                .road = {}};
}

std::optional<Tunnel> encapsulateByDriver(const Link& device, const IpAddress& nextHop) {
  // IPv6 inside: ::10.0.1.30 (RFC 4213, 3.1).
  const auto bytes = nextHop.bytes();
  const auto last = bytes.subspan(bytes.size() - 4);
  const bool compatible =
      std::all_of(bytes.begin(), last.begin(), [](std::uint8_t byte) { return byte == 0; });
  if (nextHop.isV4() != (device.kind == LinkKind::ipip) || !compatible) return std::nullopt;
  return Tunnel{.kind = TunnelKind::ipip,
                .src = device.ipTunnel->local,
                .dst = IpAddress::fromBytes(last),
                .protocol = nextHop.isV4() ? IPPROTO_IPIP : IPPROTO_IPV6,
                .added = 20,
                .driver = true,
                .road = {}};
}

namespace {

/// The driver's device that takes such packets out; null without one.
const Link* driverFor(const Place& place, const Tunnel& tunnel) {
  const auto kind = tunnel.protocol == IPPROTO_IPIP ? LinkKind::ipip : LinkKind::sit;
  for (const auto& [name, interface] : place.interfaces) {
    const Link& link = interface.link;
    if (link.kind == kind && link.ipTunnel && link.ipTunnel->local == tunnel.dst) return &link;
  }
  return nullptr;
}

}  // namespace

/// As twill_ipip_recv in bpf/ipip.bpf.c does; what no program takes is the driver's.
Result<std::string> decapsulateByIpip(const Place& place, const Tunnel& tunnel, const IpAddress& src,
                                      const IpAddress& dst) {
  const std::string& in = tunnel.road.front().hops.back().in;
  const Interface* entrance = place.find(in);
  const bool programs =
      entrance != nullptr && entrance->ipipEntrance && entrance->ipipEntrance->local == tunnel.dst;
  if (const Link* driver = programs ? nullptr : driverFor(place, tunnel)) {
    if (driver->up) return driver->name;
    return fail(fmt::format("{} {} is down", place.name, driver->name));
  }
  if (!programs)
    return fail(fmt::format("{} has no program of ipip at {} for {}", place.name, in, tunnel.dst.text()));
  const IpipTunnel& ipip = *entrance->ipipEntrance;
  const bool own = std::any_of(ipip.own.begin(), ipip.own.end(),
                               [&](const Prefix& prefix) { return prefix.contains(dst); });
  if (!own) return fail(fmt::format("{} takes nothing for {} out of ipip", place.name, dst.text()));
  const auto* peer = peerOf(ipip.peers, src);
  if (peer == nullptr || peer->endpoint != tunnel.src)
    return fail(fmt::format("{} takes nothing with the source {} from {}", place.name, src.text(),
                            tunnel.src.text()));
  const Interface* device = place.find(ipip.device);
  if (device == nullptr || !device->link.up)
    return fail(fmt::format("{} {} is {}", place.name, device == nullptr ? "twill-ipip" : ipip.device,
                            device == nullptr ? "not there" : "down"));
  return ipip.device;
}

const Hop* narrowest(const Trace& trace) {
  const Hop* least = nullptr;
  for (const Hop& hop : trace.hops) {
    if (!hop.out.empty() && (least == nullptr || hop.mtu < least->mtu)) least = &hop;
  }
  return least;
}

std::optional<Tunnel> encapsulate(const Place& place, const Link& device, const MacAddress& mac) {
  const auto& entries = place.forwarding;
  const auto entry = std::find_if(entries.begin(), entries.end(), [&](const ForwardingEntry& one) {
    return one.link == device.name && one.mac == mac;
  });
  if (entry == entries.end()) return std::nullopt;
  const Vxlan& vxlan = *device.vxlan;
  return Tunnel{.kind = TunnelKind::vxlan,
                .src = vxlan.local,
                .dst = entry->node,
                .port = vxlan.port,
                .vni = vxlan.vni,
                .added = vxlanOverhead(entry->node.family()),
                .road = {}};
}

Result<std::string> decapsulate(const Place& place, const Tunnel& tunnel, const MacAddress& mac) {
  const auto found = std::find_if(place.interfaces.begin(), place.interfaces.end(), [&](const auto& entry) {
    const auto& vxlan = entry.second.link.vxlan;
    return vxlan && vxlan->vni == tunnel.vni && vxlan->port == tunnel.port &&
           vxlan->local.family() == tunnel.dst.family();
  });
  if (found == place.interfaces.end()) {
    return fail(
        fmt::format("{} has no VXLAN device for VNI {} at UDP port {}", place.name, tunnel.vni, tunnel.port));
  }
  const Link& device = found->second.link;
  if (!device.up) return fail(fmt::format("{} {} is down", place.name, device.name));
  if (device.mac == mac) return device.name;
  return fail(fmt::format("{} {} has the MAC {}, and what comes is for {}", place.name, device.name,
                          device.mac ? device.mac->text() : "(none)", mac.text()));
}

}  // namespace twill::trace
