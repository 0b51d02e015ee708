// SPDX-License-Identifier: Apache-2.0
#include "trace/network.hpp"

#include <algorithm>

namespace twill::trace {

const Interface* Place::find(const std::string& link) const {
  const auto found = interfaces.find(link);
  return found == interfaces.end() ? nullptr : &found->second;
}

const Interface* Place::holder(const IpAddress& address) const {
  for (const auto& [link, interface] : interfaces) {
    const bool holds = std::any_of(interface.addresses.begin(), interface.addresses.end(),
                                   [&](const InterfaceAddress& own) { return own.address == address; });
    if (holds) return &interface;
  }
  return nullptr;
}

const Interface& Network::at(const Port& port) const {
  return places[port.place].interfaces.at(port.link);
}

std::optional<std::size_t> Network::placeOf(const IpAddress& address) const {
  if (address.isLoopback() || address.isLinkLocal()) return std::nullopt;  // every place has them
  std::optional<std::size_t> found;
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (places[i].kind == PlaceKind::wire || places[i].holder(address) == nullptr) continue;
    if (!found || places[i].kind == PlaceKind::container) found = i;
  }
  return found;
}

std::optional<std::size_t> Network::placeNamed(std::string_view name) const {
  const auto found =
      std::find_if(places.begin(), places.end(), [&](const Place& p) { return p.name == name; });
  if (found == places.end()) return std::nullopt;
  return static_cast<std::size_t>(found - places.begin());
}

}  // namespace twill::trace
