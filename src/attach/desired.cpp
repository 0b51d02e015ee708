// SPDX-License-Identifier: Apache-2.0
#include "attach/desired.hpp"

#include <fmt/format.h>

#include "attach/firewall.hpp"
#include "kernel/veth.hpp"
#include "plan/network_names.hpp"

namespace twill {
namespace {

constexpr const char* kOwner = "node";
/// IFALIASZ is 256 with the closing NUL.
constexpr std::size_t kLongestAlias = 255;

/// The bridge's own address in each family is the containers' gateway: the first of the node's subnet.
void addBridge(const NodeNetwork& node, KernelState& out) {
  out.put(
      Link{.name = node.bridge,
           .kind = LinkKind::bridge,
           .alias = std::string(kAliasPrefix) + "bridge",
           .mtu = node.mtu,
           // Derived, so that a bridge that was made again has the MAC that containers have in their caches.
           .mac = MacAddress::derive(node.node + "/" + node.bridge),
           .owner = kOwner});
  for (const auto& subnet : {node.subnet, node.subnet6}) {
    if (!subnet) continue;
    InterfaceAddress gateway{subnet->address().plus(1), subnet->length()};
    out.put(Address{.link = node.bridge, .address = gateway, .owner = kOwner});
  }
  // Who forwards asks for neighbours from a link-local address. The kernel's own one is of no use for the one
  // to two seconds of duplicate address detection, ours at once.
  if (!node.subnet6) return;
  out.put(Address{.link = node.bridge, .address = {*IpAddress::parse("fe80::1"), 64}, .owner = kOwner});
}

/// Routed containers send everything to 169.254.1.1. As an address of lo (scope host, so that it is never a
/// source address) the node answers ARP for it on every interface, without proxy ARP's delay and need of a
/// default route.
void addRoutedGateway(KernelState& out) {
  out.put(Address{.link = "lo", .address = {IpAddress::fromV4(0xa9fe0101), 32}, .owner = kOwner});
}

void addHostRoutes(const Attachment& attachment, KernelState& out) {
  for (const InterfaceAddress& address : attachment.addresses) {
    out.put(Route{
        .dst = Prefix::host(address.address), .link = attachment.hostIfname, .owner = attachment.key()});
    // One that may send from other MACs may also change its own.
    if (attachment.spoofGuard) {
      out.put(Neighbour{.link = attachment.hostIfname,
                        .address = address.address,
                        .mac = attachment.mac,
                        .owner = attachment.key()});
    }
    if (address.address.isV4()) continue;
    InterfaceAddress gateway{*IpAddress::parse("fe80::1"), 64};
    out.put(Address{.link = attachment.hostIfname, .address = gateway, .owner = attachment.key()});
  }
}

/// One that has no addresses yet is finished when it gets them.
std::string aliasOf(const Attachment& attachment) {
  if (attachment.addresses.empty()) return kUnfinishedAlias;
  return (kAliasPrefix + attachment.key()).substr(0, kLongestAlias);
}

Link vethOf(const Attachment& attachment) {
  const bool bridged = attachment.mode == AttachMode::bridge;
  Link veth{.name = attachment.hostIfname,
            .kind = LinkKind::veth,
            .alias = aliasOf(attachment),
            .mtu = attachment.mtu,
            .mac = attachment.hostMac,
            .master = bridged ? attachment.bridge : "",
            .peer = VethPeer{.netns = attachment.netns,
                             .netnsId = attachment.netnsId,
                             .name = attachment.ifname,
                             .mac = attachment.mac,
                             .addresses = attachment.addresses,
                             .routes = attachment.routes,
                             .rate = attachment.egress},
            .rate = attachment.ingress,
            .owner = attachment.key()};
  // Where bridged packets pass the firewall (br_netfilter), a container's way through its own host port never
  // leaves the bridge.
  if (bridged) veth.hairpin = attachment.hairpin || !attachment.ports.empty();
  return veth;
}

}  // namespace

KernelState desiredShared(AttachMode mode, const NodeNetwork& node) {
  KernelState out;
  if (mode == AttachMode::bridge) {
    addBridge(node, out);
  } else if (node.subnet) {
    addRoutedGateway(out);
  }
  return out;
}

KernelState desiredAttachment(const Attachment& attachment) {
  KernelState out;
  out.put(vethOf(attachment));
  if (attachment.mode == AttachMode::routed) addHostRoutes(attachment, out);
  addFirewall(attachment, out);
  return out;
}

KernelState desiredQuarantine(const Attachment& attachment) {
  KernelState out;
  out.put(vethOf(attachment));
  addQuarantine(attachment, out);
  return out;
}

KernelState desiredProxies(const Attachment& attachment) {
  KernelState out;
  if (attachment.mode != AttachMode::routed) return out;
  const auto set = [&](const std::string& path, const char* value) {
    out.put(Sysctl{.path = path, .value = value, .owner = attachment.key()});
  };
  for (const InterfaceAddress& address : attachment.addresses) {
    out.put(Neighbour{
        .link = attachment.bridge, .address = address.address, .proxy = true, .owner = attachment.key()});
    // By default the kernel lets who asks wait for up to 0.8 s: the true owner might answer.
    const std::string family = address.address.isV4() ? "ipv4" : "ipv6";
    set(fmt::format("net/{}/neigh/{}/proxy_delay", family, attachment.bridge), "0");
    if (!address.address.isV4()) set(fmt::format("net/ipv6/conf/{}/proxy_ndp", attachment.bridge), "1");
  }
  return out;
}

KernelState desiredGateways(const Attachment& attachment) {
  KernelState out;
  if (attachment.mode != AttachMode::bridge || !attachment.nodeIsGateway) return out;
  for (const IpAddress& gateway : attachment.gateways) {
    for (const InterfaceAddress& address : attachment.addresses) {
      if (!address.prefix().contains(gateway)) continue;
      out.put(Address{.link = attachment.bridge, .address = {gateway, address.length}, .owner = kOwner});
    }
  }
  return out;
}

std::optional<Place> placeOf(const std::string& hostIfname, const KernelState& actual) {
  const auto link = actual.links.find(hostIfname);
  if (link == actual.links.end() || !link->second.ours()) return std::nullopt;
  const auto& master = link->second.master;
  if (!master || !isBridgeName(*master)) return Place{.mode = AttachMode::routed};
  return Place{.bridge = *master};
}

void spare(const std::string& hostIfname, std::vector<Operation>& operations) {
  std::erase_if(operations, [&](const Operation& operation) {
    const bool meant = std::visit(
        [&](const auto& object) {
          if constexpr (requires { object.kind; }) return object.name == hostIfname;
          if constexpr (requires { object.link; }) return object.link == hostIfname;
          if constexpr (requires { object.set; })
            return object.key == hostIfname || object.key.starts_with(hostIfname + " ");
          return false;
        },
        operation.object);
    return operation.verb == Verb::remove && meant;
  });
}

}  // namespace twill
