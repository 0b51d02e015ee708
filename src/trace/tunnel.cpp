// SPDX-License-Identifier: Apache-2.0
#include "trace/tunnel.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace twill::trace {

std::optional<Tunnel> encapsulate(const Place& place, const Link& device, const MacAddress& mac) {
  const auto& entries = place.forwarding;
  const auto entry = std::find_if(entries.begin(), entries.end(), [&](const ForwardingEntry& one) {
    return one.link == device.name && one.mac == mac;
  });
  if (entry == entries.end()) return std::nullopt;
  const Vxlan& vxlan = *device.vxlan;
  return Tunnel{.src = vxlan.local,
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
