// SPDX-License-Identifier: Apache-2.0
// vxlan: the kernel puts each packet into a UDP datagram to the peer (RFC 7348), one device for each IP
// version. Nodes need only reach one another, over any number of routers. Programmed as flannel does it, so
// that the two interoperate: nothing is flooded or learned, all is known from the leases.
#include <fmt/format.h>
#include <simdjson.h>

#include "backend/backend.hpp"
#include "backend/overlay.hpp"
#include "backend/peers.hpp"
#include "backend/senders.hpp"

namespace twill {
namespace {

constexpr std::string_view kType = "vxlan";
constexpr const char* kOwner = "node";

int deviceMtu(const NetworkConfig& config, const Underlay& underlay, Family family) {
  return underlayMtu(config, underlay) - vxlanOverhead(family);
}

/// The smallest that holds for all peers and IP versions.
Result<int> mtu(const NetworkConfig& config, const Underlay& underlay) {
  return overlayMtu(config, underlay, vxlanOverhead(config.v6 ? Family::v6 : Family::v4));
}

/// 15 characters at most (IFNAMSIZ), which a VNI of eight digits takes to the last.
std::string deviceName(std::uint32_t vni, Family family) {
  const bool longest = vni >= 10'000'000;
  if (family == Family::v4) return fmt::format("{}{}", longest ? "twillvx" : "twill-vx", vni);
  return fmt::format("{}{}", longest ? "twill6x" : "twill6vx", vni);
}

/// Derived, so that it survives a restart, and peers need not be told of another one.
MacAddress deviceMac(const std::string& node, std::uint32_t vni, Family family) {
  return MacAddress::derive(node + "/" + deviceName(vni, family));
}

std::string dataOf(const NetworkConfig& config, const std::string& node, Family family) {
  const auto vni = config.backend.vni;
  return fmt::format(R"({{"VNI":{},"VtepMAC":"{}"}})", vni, deviceMac(node, vni, family).text());
}

void publish(const NetworkConfig& config, Lease& lease) {
  if (config.v4) lease.backendData = dataOf(config, lease.node, Family::v4);
  if (config.v6) lease.backendV6Data = dataOf(config, lease.node, Family::v6);
}

/// The MAC of a peer's device, out of what it has published; an error that says why that is of no use.
Result<MacAddress> macOf(const Lease& peer, Family family, std::uint32_t ownVni) {
  const auto& text = family == Family::v4 ? peer.backendData : peer.backendV6Data;
  const auto unusable = [&](std::string_view why) {
    return fail(fmt::format("its {} {}; expected {{\"VNI\":1,\"VtepMAC\":\"aa:bb:cc:dd:ee:ff\"}}, which its "
                            "agent publishes by itself",
                            family == Family::v4 ? "BackendData" : "BackendV6Data", why),
                Error::Kind::invalid);
  };
  if (text.empty()) return unusable("is missing");
  // One parser for all peers: it keeps its memory.
  thread_local simdjson::dom::parser parser;
  simdjson::dom::object data;
  if (parser.parse(text).get(data) != simdjson::SUCCESS) return unusable("is not a JSON object");
  std::uint64_t vni = 0;
  std::string_view mac;
  if (data["VNI"].get(vni) != simdjson::SUCCESS || data["VtepMAC"].get(mac) != simdjson::SUCCESS)
    return unusable("lacks VNI or VtepMAC");
  if (vni != ownVni) {
    return fail(
        fmt::format("its VNI is {}, here it is {}; give all nodes the same network config", vni, ownVni),
        Error::Kind::invalid);
  }
  auto address = MacAddress::parse(mac);
  if (!address || address->isZero() || address->isMulticast()) return unusable("has a VtepMAC that is none");
  return *address;
}

/// One family's device, as all its peers need it.
struct Device {
  const NetworkConfig& config;
  const Self& self;
  Family family;
  std::string name = deviceName(config.backend.vni, family);
  MacAddress mac = deviceMac(self.node, config.backend.vni, family);
};

void addDevice(const Device& device, KernelState& out) {
  const auto& [config, self, family, name, mac] = device;
  const auto& backend = config.backend;
  out.put(Link{.name = name,
               .kind = LinkKind::vxlan,
               .alias = std::string(kAliasPrefix) + "vxlan",
               .mtu = deviceMtu(config, self.underlay, family),
               .mac = mac,
               .vxlan = Vxlan{.vni = backend.vni,
                              .port = tunnelPort(kType, config.backend),
                              .underlay = self.underlay.link,
                              .local = self.underlay.addressOf(family)->address,
                              .learning = backend.learning,
                              .gbp = backend.gbp},
               .checksumOffload = self.checksumOffload.on,
               .owner = kOwner});
  addOverlayEnd(name, *self.lease.subnetOf(family), self, out);
}

/// The next hop is an address that only the neighbour entry knows; that leads to the MAC of the peer's
/// device, and the forwarding entry from there to the node. In IPv4 it is the subnet's own, as flannel's. In
/// IPv6 Linux refuses that while any other route leads there (ip6_route_check_nh_onlink() in
/// net/ipv6/route.c), as one does when the backend changes; a link-local one it takes as it is.
void addPeer(const Device& device, const Lease& peer, const Prefix& subnet, const MacAddress& mac,
             KernelState& out) {
  const Family family = device.family;
  const auto& node = *peer.publicIpOf(family);
  const auto owner = peer.name();
  const auto nextHop = family == Family::v4 ? subnet.address() : mac.linkLocal();
  out.put(Neighbour{.link = device.name, .address = nextHop, .mac = mac, .owner = owner});
  out.put(ForwardingEntry{.link = device.name, .mac = mac, .node = node, .owner = owner});
  Route route = routeTo(peer, *device.config.family(family), subnet);
  route.link = device.name;
  route.via = nextHop;
  route.onlink = family == Family::v4;
  addOverlayRoutes(std::move(route), node, device.self, out);
}

/// Who else has this MAC: this node, or a peer that came before. Two of one name, perhaps.
std::string ownerOfMac(const Device& device, const MacAddress& mac, const KernelState& out) {
  if (mac == device.mac) return device.self.node;
  const auto found = out.forwarding.find({device.name, mac});
  return found == out.forwarding.end() ? "" : found->second.owner;
}

/// Gives one peer a road; else says why there is none.
std::string connect(const Device& device, const Lease& peer, const Prefix& subnet, KernelState& out) {
  const auto& config = device.config;
  const auto& self = device.self;
  const Family family = device.family;
  if (auto reason = reasonAgainstPeer(peer, family, self); !reason.empty()) return reason;
  if (config.backend.directRouting && self.underlay.onSegment(*peer.publicIpOf(family))) {
    out.put(directRoute(peer, *config.family(family), subnet, self));
    return {};
  }
  const auto mac = macOf(peer, family, config.backend.vni);
  if (!mac) return mac.error().text;
  if (auto owner = ownerOfMac(device, *mac, out); !owner.empty()) {
    return fmt::format(
        "its VtepMAC {} is that of {}, too; give each node a name of its own, and delete the lease that is "
        "wrong",
        mac->text(), owner);
  }
  addPeer(device, peer, subnet, *mac, out);
  return {};
}

/// One family: the device, and the roads over it.
void addFamily(const Cluster& cluster, Family family, const Self& self, Desired& out, Notices& notices) {
  const auto& config = cluster.network;
  const Device device{.config = config, .self = self, .family = family};
  if (self.underlay.addressOf(family)) {  // else it is said for each peer
    const int overhead = vxlanOverhead(family);
    if (const auto reason = reasonAgainstMtu(config, self.underlay, overhead, family); !reason.empty()) {
      out.notices.push_back(fmt::format("no {}: {}", device.name, reason));
      return;
    }
    addDevice(device, out.state);
    admitPeers({.family = family,
                .port = tunnelPort(kType, config.backend),
                .headers = kVxlanHeaders,
                .vni = config.backend.vni},
               cluster, self, out.state);
  }
  forPeers(kType, family, cluster, self, notices,
           [&](const Lease& peer, const Prefix& subnet) { return connect(device, peer, subnet, out.state); });
}

void desired(const Cluster& cluster, const Self& self, Desired& out) {
  noteUnusedMtu(cluster.network, self.underlay, out.notices);
  Notices notices;
  for (const Family family : {Family::v4, Family::v6}) {
    if (cluster.network.family(family) != nullptr && self.lease.subnetOf(family))
      addFamily(cluster, family, self, out, notices);
  }
  std::move(notices).moveTo(out.notices, "subnets without a route");
}

}  // namespace

extern const Backend vxlan;
constinit const Backend vxlan{.type = kType, .mtu = mtu, .publish = publish, .desired = desired};

}  // namespace twill
