// SPDX-License-Identifier: Apache-2.0
#include "plan/state.hpp"

#include <utility>

#include "plan/compare.hpp"

namespace twill {
namespace {

template <class Map>
void assign(Map& map, typename Map::key_type key, typename Map::mapped_type object) {
  map.insert_or_assign(placeOf(map, key), std::move(key), std::move(object));
}

}  // namespace

void KernelState::put(Sysctl sysctl) {
  auto key = sysctl.path;
  assign(sysctls, std::move(key), std::move(sysctl));
}

void KernelState::put(Firewall firewall) {
  auto key = firewall.table;
  assign(firewalls, std::move(key), std::move(firewall));
}

void KernelState::put(SetElement element) {
  auto key = keyOf(element);
  assign(setElements, std::move(key), std::move(element));
}

void KernelState::put(Link link) {
  auto key = link.name;
  assign(links, std::move(key), std::move(link));
}

void KernelState::put(Address address) {
  auto key = keyOf(address);
  assign(addresses, std::move(key), std::move(address));
}

void KernelState::put(Neighbour neighbour) {
  auto key = keyOf(neighbour);
  assign(neighbours, std::move(key), std::move(neighbour));
}

void KernelState::put(ForwardingEntry entry) {
  auto key = keyOf(entry);
  assign(forwarding, std::move(key), std::move(entry));
}

void KernelState::put(Route route) {
  auto key = keyOf(route);
  assign(routes, key, std::move(route));
}

void KernelState::put(Rule rule) {
  auto key = keyOf(rule);
  assign(rules, key, std::move(rule));
}

void merge(KernelState& into, const KernelState& part) {
  const auto add = [](auto& to, const auto& entries) {
    for (const auto& [key, object] : entries) to.insert_or_assign(key, object);
  };
  add(into.sysctls, part.sysctls);
  add(into.links, part.links);
  add(into.addresses, part.addresses);
  add(into.neighbours, part.neighbours);
  add(into.forwarding, part.forwarding);
  add(into.routes, part.routes);
  add(into.rules, part.rules);
  add(into.setElements, part.setElements);
  for (const auto& [name, table] : part.firewalls) {
    const auto [at, fresh] = into.firewalls.try_emplace(name, table);
    if (!fresh) merge(at->second, table);
  }
}

void merge(Firewall& into, const Firewall& part) {
  for (const auto& [name, chain] : part.chains) into.chains.insert_or_assign(name, chain);
  for (const auto& [name, set] : part.sets) into.sets.insert_or_assign(name, set);
  into.counters.insert(part.counters.begin(), part.counters.end());
}

void ownedBy(const std::string& who, KernelState& state) {
  const auto each = [&](auto& entries) {
    for (auto& [key, object] : entries) object.owner.insert(0, who);
  };
  each(state.sysctls);
  each(state.firewalls);
  each(state.setElements);
  each(state.links);
  each(state.addresses);
  each(state.neighbours);
  each(state.forwarding);
  each(state.routes);
  each(state.rules);
}

std::string_view linkOfSetting(std::string_view path) {
  for (std::string_view head : {"net/ipv4/conf/", "net/ipv6/conf/", "net/ipv4/neigh/", "net/ipv6/neigh/"}) {
    if (path.starts_with(head)) return path.substr(head.size(), path.find('/', head.size()) - head.size());
  }
  return {};
}

void subtract(KernelState& from, const KernelState& part) {
  const auto take = [](auto& out, const auto& entries) {
    for (const auto& [key, object] : entries) out.erase(key);
  };
  std::erase_if(from.sysctls, [&](const auto& entry) {
    return part.links.contains(std::string(linkOfSetting(entry.first)));
  });
  take(from.links, part.links);
  take(from.addresses, part.addresses);
  take(from.neighbours, part.neighbours);
  take(from.forwarding, part.forwarding);
  take(from.routes, part.routes);
  take(from.rules, part.rules);
  take(from.setElements, part.setElements);
}

}  // namespace twill
