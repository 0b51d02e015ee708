// SPDX-License-Identifier: Apache-2.0
#include "attach/fast_path.hpp"

#include <algorithm>

#include "attach/desired.hpp"

namespace twill {
namespace {

bool isMasqueraded(const Attachment& attachment, const IpAddress& address) {
  const auto& list = attachment.masqueraded;
  return std::find(list.begin(), list.end(), address) != list.end();
}

MacAddress macOf(const KernelState& actual, const std::string& link) {
  const auto found = actual.links.find(link);
  return found == actual.links.end() ? MacAddress() : found->second.mac.value_or(MacAddress());
}

FastPath::Container containerOf(const Attachment& attachment, const KernelState& actual, int link) {
  FastPath::Container container{.link = link,
                                .mtu = attachment.mtu,
                                .mac = attachment.mac,
                                .gateway = attachment.mode == AttachMode::bridge
                                               ? macOf(actual, attachment.bridge)
                                               : attachment.hostMac,
                                .addresses = {}};
  for (const InterfaceAddress& address : attachment.addresses) {
    if (!isMasqueraded(attachment, address.address)) container.addresses.push_back(address.address);
  }
  return container;
}

/// The link to a peer's subnet; none for all other routes.
std::optional<FastPath::Way> wayOf(const Route& route, const KernelState& wanted, const KernelState& actual,
                                   const std::string& underlay) {
  const auto tunnel = wanted.links.find(route.link);
  const bool tunnelled = tunnel != wanted.links.end() &&
                         (tunnel->second.kind == LinkKind::vxlan || tunnel->second.kind == LinkKind::tun);
  const auto link = actual.links.find(route.link);
  if (link == actual.links.end() || route.type != RouteType::unicast || route.table != 0) return std::nullopt;
  if (!tunnelled && (route.link != underlay || !route.via)) return std::nullopt;
  return FastPath::Way{.link = link->second.index, .raw = !link->second.mac};
}

}  // namespace

FastPath fastPathOf(std::span<const Attachment* const> attachments, const KernelState& wanted,
                    const KernelState& actual, const std::string& underlay) {
  FastPath out;
  for (const Attachment* attachment : attachments) {
    const auto link = actual.links.find(attachment->hostIfname);
    // One direction of a connection by each road would look broken to connection tracking, so that a limit in
    // either of them is enough.
    if (link == actual.links.end() || attachment->ingress) continue;
    auto container = containerOf(*attachment, actual, link->second.index);
    if (!container.addresses.empty()) out.containers.push_back(std::move(container));
  }
  for (const auto& [key, route] : wanted.routes) {
    if (const auto way = wayOf(route, wanted, actual, underlay)) out.peers.push_back({route.dst, *way});
  }
  return out;
}

}  // namespace twill
