// SPDX-License-Identifier: Apache-2.0
#include "agent/make_before_break.hpp"

namespace twill {
namespace {

bool leadsInto(const Operation& operation, const std::string& device) {
  const auto* route = std::get_if<Route>(&operation.object);
  return route != nullptr && operation.verb != Verb::remove && route->link == device;
}

/// Not a container's interface, say, which carries nothing to a peer.
bool takesARoadAway(const Operation& operation) {
  if (operation.verb != Verb::remove) return false;
  if (const auto* link = std::get_if<Link>(&operation.object))
    return link->kind == LinkKind::vxlan || link->kind == LinkKind::tun || link->kind == LinkKind::ipip ||
           link->kind == LinkKind::sit;
  return std::holds_alternative<Route>(operation.object) ||
         std::holds_alternative<Neighbour>(operation.object) ||
         std::holds_alternative<ForwardingEntry>(operation.object);
}

}  // namespace

void holdUntilCarried(const std::string& device, const std::function<bool(const Operation&)>& isOurs,
                      std::vector<Operation>& operations) {
  std::erase_if(operations, [&](const Operation& operation) {
    return leadsInto(operation, device) || (takesARoadAway(operation) && isOurs(operation));
  });
}

}  // namespace twill
