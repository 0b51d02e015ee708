// SPDX-License-Identifier: Apache-2.0
#include "kernel/mirror.hpp"

#include <algorithm>

#include <linux/rtnetlink.h>

#include "kernel/address.hpp"
#include "kernel/route.hpp"
#include "kernel/rule.hpp"
#include "plan/compare.hpp"

namespace twill {
namespace {

using Drained = Kernel::Drained;

/// Puts `value` under `key`; tells whether that made a difference.
template <class Map>
Drained assign(Map& map, const typename Map::key_type& key, typename Map::mapped_type value) {
  const auto at = placeOf(map, key);
  if (at == map.end() || at->first != key) {
    map.emplace_hint(at, key, std::move(value));
    return Drained::changed;
  }
  if (at->second == value) return Drained::nothing;
  at->second = std::move(value);
  return Drained::changed;
}

template <class Map>
Drained erase(Map& map, const typename Map::key_type& key) {
  return map.erase(key) == 0 ? Drained::nothing : Drained::changed;
}

/// The kernel drops the routes of a link that goes down or away: IPv4 without a word, IPv6 with or without
/// (net.ipv6.route.skip_notify_on_dev_down). Ours have one next hop and are gone for sure; a foreign one may
/// have others that keep it.
Drained dropRoutes(const std::string& link, KernelState& state) {
  auto out = Drained::nothing;
  for (auto at = state.routes.begin(); at != state.routes.end();) {
    if (at->second.link != link) {
      ++at;
      continue;
    }
    if (!at->second.ours()) return Drained::lost;
    at = state.routes.erase(at);
    out = Drained::changed;
  }
  return out;
}

/// Erases what is on `link` from a map whose keys start with the link.
template <class Map, class Key>
void eraseOn(const std::string& link, Map& map, const Key& first) {
  auto at = map.lower_bound(first);
  while (at != map.end() && at->first.link == link) at = map.erase(at);
}

/// They go without a word, too (pneigh_ifdown_and_unlock, net/core/neighbour.c).
Drained dropProxies(const std::string& link, KernelState& state) {
  auto out = Drained::nothing;
  auto at = state.neighbours.lower_bound(NeighbourKey{.link = link, .address = {}});
  while (at != state.neighbours.end() && at->first.link == link) {
    if (!at->first.proxy) {
      ++at;
      continue;
    }
    at = state.neighbours.erase(at);
    out = Drained::changed;
  }
  return out;
}

bool hasIpv4(const std::string& link, const KernelState& state) {
  const auto at = state.addresses.lower_bound(AddressKey{.link = link, .address = {}});  // IPv4 sorts first
  return at != state.addresses.end() && at->first.link == link && at->first.address.address.isV4();
}

/// But for what stands beside them.
bool sameRoute(const Route& a, Route b) {
  b.otherLink = a.otherLink;
  return a == b;
}

bool isWanted(const Route& route, const Interest& interest) {
  if (route.ours() || (route.dst.length() == 0 && route.table == 0)) return true;
  return std::any_of(interest.networks.begin(), interest.networks.end(),
                     [&](const Prefix& network) { return network.overlaps(route.dst); });
}

}  // namespace

void forgetLink(const std::string& link, KernelState& state) {
  if (state.links.erase(link) == 0) return;
  eraseOn(link, state.addresses, AddressKey{.link = link, .address = {}});
  eraseOn(link, state.neighbours, NeighbourKey{.link = link, .address = {}});
  eraseOn(link, state.forwarding, ForwardingKey{.link = link, .mac = {}});
  std::erase_if(state.routes, [&](const auto& entry) { return entry.second.link == link; });
}

const std::string* Mirror::nameOf(int index) const {
  const auto found = names_.find(index);
  return found == names_.end() ? nullptr : &found->second;
}

Drained Mirror::fold(const netlink::Received& message, KernelState& state, const Interest& interest) {
  switch (message.type) {
    case RTM_NEWLINK:
      return newLink(message.payload, state);
    case RTM_DELLINK:
      return deleteLink(message.payload, state);
    case RTM_NEWADDR:
    case RTM_DELADDR:
      return foldAddress(message.payload, message.type == RTM_NEWADDR, state);
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
      return foldNeighbour(message.payload, message.type == RTM_NEWNEIGH, state);
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      return foldRoute(message, state, interest);
    case RTM_NEWRULE:
    case RTM_DELRULE:
      return foldRule(message.payload, message.type == RTM_NEWRULE, state);
    default:
      return Drained::nothing;
  }
}

void Mirror::foldAllLinks(std::span<const std::vector<std::uint8_t>> payloads, KernelState& state) {
  names_.clear();
  state.links.clear();
  for (const auto& payload : payloads) {
    if (auto message = netlink::decodeLink(payload)) names_[message->link.index] = message->link.name;
  }
  for (const auto& payload : payloads) newLink(payload, state);
}

Drained Mirror::newLink(netlink::Bytes payload, KernelState& state) {
  auto message = netlink::decodeLink(payload);
  if (!message) return Drained::nothing;
  if (message->fromBridge) return bridgePort(*message, true, state);
  auto& link = message->link;
  const auto [known, fresh] = names_.try_emplace(link.index, link.name);
  // A renamed link takes everything on it along.
  if (!fresh && known->second != link.name) return Drained::lost;
  // The bridge itself is announced before its ports, except when it was renamed.
  const auto* master = nameOf(message->master);
  if (message->master != 0 && master == nullptr) return Drained::lost;
  link.master = master == nullptr ? "" : *master;
  if (link.vxlan) {
    const auto* underlay = nameOf(message->underlay);
    if (message->underlay != 0 && underlay == nullptr) return Drained::lost;
    link.vxlan->underlay = underlay == nullptr ? "" : *underlay;
    if (!link.ours()) eraseOn(link.name, state.forwarding, ForwardingKey{.link = link.name, .mac = {}});
  }

  const auto before = state.links.find(link.name);
  if (before != state.links.end() && before->second.index != link.index) return Drained::lost;
  if (link.vxlan && link.ours()) {
    if (before != state.links.end()) link.checksumOffload = before->second.checksumOffload;
    announced_.insert(link.name);
  }
  const bool wentDown = before != state.links.end() && before->second.up && !link.up;
  const auto dropped =
      wentDown ? std::max(dropRoutes(link.name, state), dropProxies(link.name, state)) : Drained::nothing;
  return std::max(dropped, assign(state.links, link.name, link));
}

Drained Mirror::deleteLink(netlink::Bytes payload, KernelState& state) {
  const auto message = netlink::decodeLink(payload);
  if (!message) return Drained::nothing;
  if (message->fromBridge) return bridgePort(*message, false, state);
  const auto known = names_.find(message->link.index);
  if (known == names_.end()) return Drained::nothing;
  const std::string name = known->second;
  names_.erase(known);
  const auto found = state.links.find(name);
  if (found == state.links.end() || found->second.index != message->link.index) return Drained::nothing;
  state.links.erase(found);
  eraseOn(name, state.addresses, AddressKey{.link = name, .address = {}});
  eraseOn(name, state.neighbours, NeighbourKey{.link = name, .address = {}});
  eraseOn(name, state.forwarding, ForwardingKey{.link = name, .mac = {}});
  return std::max(Drained::changed, dropRoutes(name, state));
}

Drained Mirror::bridgePort(const netlink::LinkMessage& message, bool isPort, KernelState& state) const {
  const auto* name = nameOf(message.link.index);
  const auto found = name == nullptr ? state.links.end() : state.links.find(*name);
  if (found == state.links.end()) return Drained::nothing;
  const auto hairpin = isPort ? message.link.hairpin : std::nullopt;
  if ((isPort && !hairpin) || found->second.hairpin == hairpin) return Drained::nothing;
  found->second.hairpin = hairpin;
  return Drained::changed;
}

Drained Mirror::foldAddress(netlink::Bytes payload, bool there, KernelState& state) const {
  auto message = netlink::decodeAddress(payload);
  const auto* link = message ? nameOf(message->index) : nullptr;
  if (link == nullptr) return Drained::nothing;
  auto& address = message->address;
  address.link = *link;
  if (there) return assign(state.addresses, keyOf(address), address);
  const auto out = erase(state.addresses, keyOf(address));
  // With the last IPv4 address the kernel takes IPv4 off the link, its routes too, without a word
  // (fib_disable_ip, net/ipv4/fib_frontend.c). Another address right after it does not bring them back.
  if (out == Drained::changed && address.address.address.isV4() && !hasIpv4(*link, state))
    return Drained::lost;
  // The kernel drops routes that prefer a source which is gone, without a word.
  const bool preferred = std::any_of(state.routes.begin(), state.routes.end(), [&](const auto& entry) {
    return entry.second.source == address.address.address;
  });
  return preferred ? Drained::lost : out;
}

Drained Mirror::foldNeighbour(netlink::Bytes payload, bool there, KernelState& state) const {
  if (const auto forwarding = netlink::decodeForwarding(payload)) {
    return foldForwarding(*forwarding, there, state);
  }
  auto message = netlink::decodeNeighbour(payload);
  const auto* link = message ? nameOf(message->index) : nullptr;
  if (link == nullptr) return Drained::nothing;
  auto& neighbour = message->neighbour;
  neighbour.link = *link;
  if (there && message->permanent) return assign(state.neighbours, keyOf(neighbour), neighbour);
  return erase(state.neighbours, keyOf(neighbour));
}

Drained Mirror::foldRule(netlink::Bytes payload, bool there, KernelState& state) {
  const auto rule = netlink::decodeRule(payload);
  if (!rule) return Drained::nothing;
  return there ? assign(state.rules, keyOf(*rule), *rule) : erase(state.rules, keyOf(*rule));
}

Drained Mirror::foldForwarding(const netlink::ForwardingMessage& message, bool there,
                               KernelState& state) const {
  const auto* name = nameOf(message.index);
  const auto link = name == nullptr ? state.links.end() : state.links.find(*name);
  if (link == state.links.end() || link->second.kind != LinkKind::vxlan || !link->second.ours()) {
    return Drained::nothing;
  }
  auto entry = message.entry;
  entry.link = *name;
  if (there && message.permanent) return assign(state.forwarding, keyOf(entry), entry);
  return erase(state.forwarding, keyOf(entry));
}

Drained Mirror::foldRoute(const netlink::Received& message, KernelState& state,
                          const Interest& interest) const {
  auto decoded = netlink::decodeRoute(message.payload);
  if (!decoded || !isWanted(decoded->route, interest)) return Drained::nothing;
  auto& route = decoded->route;
  const auto* link = nameOf(decoded->index);
  if (decoded->index != 0 && link == nullptr) return Drained::nothing;
  if (link != nullptr) route.link = *link;
  if (const auto* other = nameOf(decoded->otherIndex)) route.otherLink = *other;

  const auto key = keyOf(route);
  const auto found = state.routes.find(key);
  const bool differs = found != state.routes.end() && !sameRoute(found->second, route);
  if (message.type == RTM_NEWROUTE) {
    // Appended beside the one we know: which of them counts is for a dump to say, where the first one does.
    if (differs && (message.flags & NLM_F_REPLACE) == 0) {
      if (route.link != found->second.link) found->second.otherLink = route.link;
      return Drained::lost;
    }
    return assign(state.routes, key, route);
  }
  if (found == state.routes.end()) return Drained::nothing;
  if (!found->second.otherLink.empty()) return Drained::lost;  // which of the two went?
  if (differs) return Drained::nothing;
  // Another foreign one of the same key may have stood behind it.
  if (!route.ours()) return Drained::lost;
  state.routes.erase(found);
  return Drained::changed;
}

}  // namespace twill
