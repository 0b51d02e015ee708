// SPDX-License-Identifier: Apache-2.0
#include "plan/state.hpp"

#include <utility>

namespace twill {

void KernelState::put(Sysctl sysctl) {
  auto key = sysctl.path;
  sysctls.insert_or_assign(std::move(key), std::move(sysctl));
}

void KernelState::put(Link link) {
  auto key = link.name;
  links.insert_or_assign(std::move(key), std::move(link));
}

void KernelState::put(Address address) {
  auto key = keyOf(address);
  addresses.insert_or_assign(std::move(key), std::move(address));
}

void KernelState::put(Neighbour neighbour) {
  auto key = keyOf(neighbour);
  neighbours.insert_or_assign(std::move(key), std::move(neighbour));
}

void KernelState::put(Route route) {
  auto key = keyOf(route);
  routes.insert_or_assign(key, std::move(route));
}

void merge(KernelState& into, const KernelState& part) {
  const auto add = [](auto& to, const auto& entries) {
    for (const auto& [key, object] : entries) to.insert_or_assign(key, object);
  };
  add(into.sysctls, part.sysctls);
  add(into.links, part.links);
  add(into.addresses, part.addresses);
  add(into.neighbours, part.neighbours);
  add(into.routes, part.routes);
  if (part.firewall) into.firewall = part.firewall;
}

void subtract(KernelState& from, const KernelState& part) {
  const auto take = [](auto& out, const auto& entries) {
    for (const auto& [key, object] : entries) out.erase(key);
  };
  take(from.links, part.links);
  take(from.addresses, part.addresses);
  take(from.neighbours, part.neighbours);
  take(from.routes, part.routes);
}

}  // namespace twill
