// SPDX-License-Identifier: Apache-2.0
#include "cni/route_attributes.hpp"

#include <limits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cni/config.hpp"

namespace twill::cni {
namespace {

using Json = nlohmann::json;

struct Bounds {
  std::uint32_t least = 1;
  std::uint32_t most = std::numeric_limits<std::uint32_t>::max();
};

/// What the kernel does not take, or turns into something else without a word.
Bounds boundsOf(std::string_view attribute, bool v4) {
  if (attribute == "mtu") return {.least = v4 ? 68U : 1280U, .most = 65535 - 15};  // RFC 791, RFC 8200
  if (attribute == "advmss") return {.most = 65535 - 40};
  return {};
}

bool fits(const Json& value, const Bounds& bounds) {
  return value.is_number_unsigned() && value >= bounds.least && value <= bounds.most;
}

}  // namespace

CniResult<void> readRouteAttributes(const Json& json, const std::string& where, ContainerRoute& route) {
  for (const RouteNumber& attribute : kRouteNumbers) {
    const Json* value = memberOf(json, attribute.name);
    if (value == nullptr || *value == 0) continue;
    const Bounds bounds = boundsOf(attribute.name, route.dst.isV4());
    if (!fits(*value, bounds)) {
      return bad(fmt::format("{}.{}", where, attribute.name), *value,
                 fmt::format("a number from {} to {}", bounds.least, bounds.most));
    }
    route.*attribute.member = value->get<std::uint32_t>();
  }
  const Json* scope = memberOf(json, "scope");
  if (scope == nullptr) return {};
  if (!fits(*scope, {.least = 0, .most = ContainerRoute::kLinkScope + 1})) {
    return bad(where + ".scope", *scope, "0 (global), 253 (link), 254 (host) or another number below 255");
  }
  route.scope = scope->get<std::uint8_t>();
  if (route.via && route.staysOnLink()) {
    return bad(where + ".scope", *scope,
               "possible with a gw: what it leads to is on the link itself; leave one out");
  }
  return {};
}

}  // namespace twill::cni
