// SPDX-License-Identifier: Apache-2.0
#include "attach/tunnel_ports.hpp"

namespace twill {

std::vector<ContainerPort> tunnelPortsOf(const std::set<std::string>& tunnels,
                                         std::span<const Attachment* const> attachments,
                                         const KernelState& actual) {
  std::vector<ContainerPort> out;
  for (const auto& name : tunnels) {
    const auto tunnel = actual.links.find(name);
    if (tunnel == actual.links.end()) continue;
    for (const Attachment* attachment : attachments) {
      if (attachment->mode != AttachMode::bridge) continue;
      const auto link = actual.links.find(attachment->hostIfname);
      const auto bridge = actual.links.find(attachment->bridge);
      if (link == actual.links.end() || bridge == actual.links.end()) continue;
      // One that somebody has taken off its bridge gets what the bridge gives it: nothing.
      if (link->second.master != attachment->bridge || !link->second.up) continue;
      out.push_back({.tunnel = tunnel->second.index,
                     .bridge = bridge->second.index,
                     .mac = attachment->mac,
                     .link = link->second.index});
    }
  }
  return out;
}

}  // namespace twill
