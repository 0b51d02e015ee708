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
  FastPath::Container container{
      .link = link,
      .mtu = attachment.mtu,
      .mac = attachment.mac,
      .gateway = attachment.mode == AttachMode::bridge ? macOf(actual, kBridge) : attachment.hostMac,
      .addresses = {}};
  for (const InterfaceAddress& address : attachment.addresses) {
    if (!isMasqueraded(attachment, address.address)) container.addresses.push_back(address.address);
  }
  return container;
}

/// The programs read Ethernet headers.
bool hasPrograms(const Link& link) {
  return link.mac && !link.loopback;
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
  const auto link = actual.links.find(underlay);
  if (link == actual.links.end() || !hasPrograms(link->second)) return out;
  out.underlay = link->second.index;
  for (const auto& [key, route] : wanted.routes) {
    if (route.link == underlay && route.via && route.type == RouteType::unicast && key.table == 0)
      out.peers.push_back(route.dst);
  }
  return out;
}

}  // namespace twill
