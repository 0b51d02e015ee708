// SPDX-License-Identifier: Apache-2.0
#include "backend/backend.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "plan/network_names.hpp"

namespace twill {

extern const Backend awsVpc;  // cloud.cpp
extern const Backend gce;     // cloud.cpp
extern const Backend hostGw;  // host_gw.cpp
extern const Backend ipip;    // ipip.cpp
extern const Backend udp;     // udp.cpp
extern const Backend vxlan;   // vxlan.cpp

Firewall& tableIn(KernelState& state, const Self& self) {
  auto [at, fresh] = state.firewalls.try_emplace(tableOf(self.network));
  if (fresh) {
    at->second.table = at->first;
    at->second.owner = "node";
  }
  return at->second;
}

std::span<const Backend> backends() {
  static const std::array table{
      awsVpc, gce, hostGw, ipip, udp, vxlan,
  };
  return table;
}

Result<const Backend*> findBackend(std::string_view type) {
  const auto all = backends();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Backend& backend) { return backend.type == type; });
  if (found != all.end()) return &*found;
  std::vector<std::string_view> known;
  for (const auto& backend : all) known.push_back(backend.type);
  return fail(
      fmt::format("network config: Backend.Type is \"{}\", which this build does not have; choose one of: {}",
                  type, fmt::join(known, ", ")),
      Error::Kind::invalid);
}

bool Underlay::onSegment(const IpAddress& peer) const {
  const auto& own = addressOf(peer.family());
  return own && own->prefix().contains(peer);
}

std::uint32_t routeMetric(const Prefix& network, const Prefix& subnet) {
  constexpr std::uint64_t kRoom = std::numeric_limits<std::uint32_t>::max() - kRouteMetricBase + 1ULL;
  return kRouteMetricBase + static_cast<std::uint32_t>(network.indexOf(subnet) % kRoom);
}

}  // namespace twill
