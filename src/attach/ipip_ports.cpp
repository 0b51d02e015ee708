// SPDX-License-Identifier: Apache-2.0
#include "attach/ipip_ports.hpp"

namespace twill {

std::vector<IpipTunnel::Port> ipipPortsOf(std::span<const Attachment* const> attachments,
                                          const KernelState& actual) {
  std::vector<IpipTunnel::Port> out;
  for (const Attachment* attachment : attachments) {
    if (attachment->mode != AttachMode::bridge) continue;
    const auto link = actual.links.find(attachment->hostIfname);
    const auto bridge = actual.links.find(attachment->bridge);
    if (link == actual.links.end() || bridge == actual.links.end()) continue;
    // One that somebody has taken off its bridge gets what the bridge gives it: nothing.
    if (link->second.master != attachment->bridge || !link->second.up) continue;
    out.push_back({.bridge = bridge->second.index, .link = link->second.index, .mac = attachment->mac});
  }
  return out;
}

}  // namespace twill
