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

}  // namespace twill
