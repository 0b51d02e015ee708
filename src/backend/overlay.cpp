// SPDX-License-Identifier: Apache-2.0
#include "backend/overlay.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "plan/network_names.hpp"

namespace twill {
namespace {

constexpr const char* kOwner = "node";
constexpr int kLeastMtu = 68;     // RFC 791
constexpr int kLeastMtu6 = 1280;  // RFC 8200; with less the kernel turns IPv6 off

constexpr std::uint16_t kVxlanPort = 8472;  // what Linux took before IANA had one, and flannel with it
constexpr std::uint16_t kUdpPort = 8285;

}  // namespace

std::uint16_t tunnelPort(std::string_view type, const BackendConfig& config) {
  if (type == "vxlan") return config.port != 0 ? config.port : kVxlanPort;
  if (type == "udp") return config.port != 0 ? config.port : kUdpPort;
  return 0;
}

int underlayMtu(const NetworkConfig& config, const Underlay& underlay) {
  return config.backend.mtu != 0 ? std::min(config.backend.mtu, underlay.mtu) : underlay.mtu;
}

Result<int> overlayMtu(const NetworkConfig& config, const Underlay& underlay, int overhead) {
  const int least = (config.v6 ? kLeastMtu6 : kLeastMtu) + overhead;
  if (config.backend.mtu != 0 && config.backend.mtu < least) {
    return fail(
        fmt::format("network config: Backend.MTU is {}, of which the tunnel takes {}; leave it out, or "
                    "make it {} or more",
                    config.backend.mtu, overhead, least),
        Error::Kind::invalid);
  }
  const int whole = underlayMtu(config, underlay);
  return config.backend.directRouting ? whole : whole - overhead;
}

void noteUnusedMtu(const NetworkConfig& config, const Underlay& underlay, std::vector<std::string>& notices) {
  if (config.backend.mtu <= underlay.mtu) return;
  notices.push_back(fmt::format("Backend.MTU is {}, but {} takes {}, which is what counts; leave the key out",
                                config.backend.mtu, underlay.link, underlay.mtu));
}

std::string reasonAgainstMtu(const NetworkConfig& config, const Underlay& underlay, int overhead,
                             Family family) {
  const int whole = underlayMtu(config, underlay);
  if (family == Family::v4 || whole - overhead >= kLeastMtu6) return {};
  return fmt::format("the underlay's MTU of {} leaves {} bytes, and IPv6 needs {}; raise the MTU of {}",
                     whole, whole - overhead, kLeastMtu6, underlay.link);
}

void addOverlayEnd(const std::string& link, const Prefix& subnet, const Self& self, KernelState& out) {
  const auto& base = subnet.address();
  out.put(Address{.link = link, .address = {base, base.bits()}, .owner = kOwner});
  out.put(Rule{.from = subnet, .table = routingTableOf(self.network), .owner = kOwner});
  if (subnet.isV4()) return;
  out.put(Sysctl{.path = fmt::format("net/ipv6/conf/{}/accept_ra", link), .value = "0", .owner = kOwner});
}

void addOverlayRoutes(Route route, const std::optional<IpAddress>& node, const Self& self, KernelState& out) {
  out.put(route);
  if (!node) return;
  route.dst = Prefix::host(*node);
  route.table = routingTableOf(self.network);
  out.put(std::move(route));
}

}  // namespace twill
