// SPDX-License-Identifier: Apache-2.0
#include "trace/route_class.hpp"

#include <algorithm>
#include <array>

#include <linux/rtnetlink.h>

#include "plan/objects.hpp"

namespace twill::trace {

RouteClass classOf(const Prefix& dst, std::uint8_t protocol) {
  if (dst.length() == 0) return RouteClass::defaultRoute;
  switch (protocol) {
    case RTPROT_KERNEL:
      return RouteClass::connected;
    case RTPROT_UNSPEC:
    case RTPROT_BOOT:
    case RTPROT_STATIC:
      return RouteClass::staticRoute;
    default:
      return RouteClass::dynamicRoute;
  }
}

std::string_view textOf(RouteClass routeClass) {
  switch (routeClass) {
    case RouteClass::connected:
      return "connected";
    case RouteClass::staticRoute:
      return "static";
    case RouteClass::dynamicRoute:
      return "dynamic";
    case RouteClass::defaultRoute:
      break;
  }
  return "default";
}

std::string protocolName(std::uint8_t protocol) {
  static constexpr std::array<std::pair<int, const char*>, 17> kNames = {{{RTPROT_UNSPEC, "unspec"},
                                                                          {RTPROT_REDIRECT, "redirect"},
                                                                          {RTPROT_KERNEL, "kernel"},
                                                                          {RTPROT_BOOT, "boot"},
                                                                          {RTPROT_STATIC, "static"},
                                                                          {RTPROT_GATED, "gated"},
                                                                          {RTPROT_RA, "ra"},
                                                                          {RTPROT_ZEBRA, "zebra"},
                                                                          {RTPROT_BIRD, "bird"},
                                                                          {RTPROT_DHCP, "dhcp"},
                                                                          {RTPROT_KEEPALIVED, "keepalived"},
                                                                          {RTPROT_BABEL, "babel"},
                                                                          {kProtocol, "twill"},
                                                                          {RTPROT_BGP, "bgp"},
                                                                          {RTPROT_ISIS, "isis"},
                                                                          {RTPROT_OSPF, "ospf"},
                                                                          {RTPROT_RIP, "rip"}}};
  const auto* found =
      std::find_if(kNames.begin(), kNames.end(), [&](const auto& name) { return name.first == protocol; });
  return found == kNames.end() ? std::to_string(protocol) : found->second;
}

}  // namespace twill::trace
