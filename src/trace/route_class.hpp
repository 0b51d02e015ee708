// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "net/address.hpp"

namespace twill::trace {

/// Where a route comes from, as a network engineer sorts them.
enum class RouteClass : std::uint8_t {
  connected,     ///< the kernel's own, for an address on a link
  staticRoute,   ///< a person or a boot script
  dynamicRoute,  ///< a program: Twill, a routing daemon, DHCP, router advertisements
  defaultRoute,  ///< 0.0.0.0/0 or ::/0, whoever made it
};

[[nodiscard]] RouteClass classOf(const Prefix& dst, std::uint8_t protocol);
/// "connected", "static", "dynamic", "default"
[[nodiscard]] std::string_view textOf(RouteClass routeClass);
/// RTPROT_*: "kernel", "twill", "bird"; the number where it has no name.
[[nodiscard]] std::string protocolName(std::uint8_t protocol);

}  // namespace twill::trace
