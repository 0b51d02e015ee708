// SPDX-License-Identifier: Apache-2.0
#include "kernel/fake/fake_network.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

namespace twill {
namespace {

constexpr std::uint8_t kKernelProtocol = 2;       // RTPROT_KERNEL, linux/rtnetlink.h
constexpr std::uint32_t kConnectedMetric6 = 256;  // IP6_RT_PRIO_ADDRCONF, linux/ipv6_route.h
constexpr int kEthernetMtu = 1500;
constexpr std::array kLinkSettings{"net/ipv4/conf/", "net/ipv6/conf/", "net/ipv4/neigh/", "net/ipv6/neigh/"};

Failure refused(int code, std::string_view why = "") {
  auto failure = failErrno("the kernel refused", code);
  if (!why.empty()) failure.value().text += fmt::format(" ({})", why);
  return failure;
}

/// A TUN device's cable is the process that is attached to it, and here is none.
bool hasCarrier(const Link& link) {
  return link.kind != LinkKind::tun;
}

/// What the kernel keeps of a wanted link: it knows nothing of owners, and a port without a master has "".
Link asKept(Link link) {
  link.owner.clear();
  link.peer.reset();
  link.rate.reset();
  if (!link.master) link.master = "";
  link.running = link.up && hasCarrier(link);
  if (link.kind == LinkKind::veth && !link.master->empty() && !link.hairpin) link.hairpin = false;
  if (link.master->empty()) link.hairpin.reset();
  link.checksumOffload = link.vxlan ? std::optional(link.checksumOffload.value_or(true)) : std::nullopt;
  return link;
}

template <class Any>
Any withoutOwner(Any object) {
  object.owner.clear();
  return object;
}

KernelState onlyThis(const Object& object) {
  KernelState out;
  std::visit([&](const auto& any) { out.put(any); }, object);
  return out;
}

/// Adding what is there already counts as done.
bool isThere(const Object& object, const KernelState& state) {
  const auto missing = additions(onlyThis(object), state);
  return missing.operations.empty() && missing.obstacles.empty();
}

/// Calls `visit` with each address on a link.
template <class Visit>
void forEachAddress(const KernelState& state, const std::string& link, Visit visit) {
  for (auto at = state.addresses.lower_bound({link, {}});
       at != state.addresses.end() && at->first.link == link; ++at) {
    visit(at->second);
  }
}

}  // namespace

FakeNetwork::FakeNetwork() {
  for (const auto* path : {"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"}) {
    state_.put(Sysctl{.path = path, .value = "0"});
  }
  for (const auto* name : {"rp_filter", "proxy_arp", "forwarding", "route_localnet"}) {
    state_.put(Sysctl{.path = std::string("net/ipv4/conf/default/") + name, .value = "0"});
  }
  for (const auto& [name, value] : {std::pair{"accept_ra", "1"}, {"proxy_ndp", "0"}, {"disable_ipv6", "0"}}) {
    state_.put(Sysctl{.path = std::string("net/ipv6/conf/default/") + name, .value = value});
  }
  for (const auto* path : {"net/ipv4/neigh/default/proxy_delay", "net/ipv6/neigh/default/proxy_delay"}) {
    state_.put(Sysctl{.path = path, .value = "80"});
  }
  Link lo;
  lo.name = "lo";
  lo.loopback = true;
  lo.mtu = 65536;
  plug(lo);
  for (const auto* text : {"127.0.0.1/8", "::1/128"}) {
    state_.put(Address{.link = "lo", .address = *InterfaceAddress::parse(text), .protocol = 0});
  }
}

Result<void> FakeNetwork::perform(const Operation& operation) {
  if (operation.verb == Verb::add && isThere(operation.object, state_)) return {};
  return std::visit(
      [&](const auto& object) -> Result<void> {
        if (operation.verb == Verb::remove) {
          remove(object);
          return {};
        }
        // What has no change() of its own is written over.
        if constexpr (requires { change(object); }) {
          if (operation.verb == Verb::change) return change(object);
        }
        return add(object);
      },
      operation.object);
}

void FakeNetwork::plug(Link link) {
  link.index = ++lastIndex_;
  if (!link.mtu) link.mtu = kEthernetMtu;
  if (!link.mac && link.kind != LinkKind::tun && !link.ipTunnel)
    link.mac = link.loopback ? MacAddress{} : MacAddress::derive(link.name);
  makeSettings(link.name);
  state_.put(asKept(std::move(link)));
}

void FakeNetwork::makeSettings(const std::string& link) {
  for (const std::string family : kLinkSettings) {
    const auto defaults = family + "default/";
    std::vector<Sysctl> made;
    for (auto at = state_.sysctls.lower_bound(defaults);
         at != state_.sysctls.end() && at->first.starts_with(defaults); ++at) {
      made.push_back(
          {.path = family + link + "/" + at->first.substr(defaults.size()), .value = at->second.value});
    }
    for (auto& sysctl : made) state_.put(std::move(sysctl));
  }
}

Result<void> FakeNetwork::add(const Sysctl& sysctl) {
  const auto found = state_.sysctls.find(sysctl.path);
  if (found == state_.sysctls.end()) return failErrno("cannot open /proc/sys/" + sysctl.path, ENOENT);
  found->second.value = sysctl.value;
  return {};
}

Result<void> FakeNetwork::add(const Firewall& firewall) {
  auto kept = withoutOwner(firewall);
  for (auto& [name, chain] : kept.chains) {
    for (auto& rule : chain.rules) rule = ruleId(rule);
  }
  for (auto& [name, set] : kept.sets) set.declared.clear();
  state_.put(std::move(kept));
  dropHomeless(firewall.table);
  return {};
}

void FakeNetwork::remove(const Firewall& firewall) {
  state_.firewalls.erase(firewall.table);
  dropHomeless(firewall.table);
}

void FakeNetwork::dropHomeless(const std::string& table) {
  const auto found = state_.firewalls.find(table);
  std::erase_if(state_.setElements, [&](const auto& entry) {
    if (entry.first.table != table) return false;
    return found == state_.firewalls.end() || !found->second.sets.contains(entry.first.set);
  });
}

Result<void> FakeNetwork::add(const SetElement& element) {
  const auto found = state_.setElements.find(keyOf(element));
  if (found != state_.setElements.end() && found->second.data != element.data) return refused(EEXIST);
  return change(element);
}

Result<void> FakeNetwork::change(const SetElement& element) {
  const auto table = state_.firewalls.find(element.table);
  if (table == state_.firewalls.end() || !table->second.sets.contains(element.set)) return refused(ENOENT);
  state_.put(withoutOwner(element));
  return {};
}

Result<void> FakeNetwork::checkLink(const std::string& name) const {
  if (state_.links.contains(name)) return {};
  return failErrno(fmt::format("there is no interface {}", name), ENODEV);
}

Result<void> FakeNetwork::add(const Link& link) {
  if (state_.links.contains(link.name)) return failErrno("its name is taken", EEXIST);
  const bool makes = link.kind == LinkKind::bridge || link.kind == LinkKind::tun || link.ipTunnel;
  if (!makes && !link.peer && !link.vxlan) {
    return fail(
        fmt::format("{} can only be changed; Twill makes bridges, VXLAN, ipip, sit and TUN devices, and "
                    "veths with a peer",
                    link.name),
        Error::Kind::invalid);
  }
  if (!link.master.value_or("").empty()) TWILL_CHECK(checkLink(*link.master));
  if (link.vxlan) TWILL_CHECK(checkLink(link.vxlan->underlay));
  plug(link);
  return {};
}

Result<void> FakeNetwork::change(const Link& link) {
  TWILL_CHECK(checkLink(link.name));
  if (!link.master.value_or("").empty()) TWILL_CHECK(checkLink(*link.master));
  auto& kept = state_.links.at(link.name);
  kept.alias = link.alias;
  if (link.mtu) kept.mtu = link.mtu;
  if (link.mac && link.mac != kept.mac) {
    kept.mac = link.mac;
    std::erase_if(state_.neighbours,
                  [&](const auto& entry) { return entry.first.link == link.name && !entry.first.proxy; });
  }
  if (link.master && link.master != kept.master) {
    kept.master = link.master;
    kept.hairpin = link.master->empty() ? std::nullopt : std::optional(false);
  }
  if (link.hairpin && kept.hairpin) kept.hairpin = link.hairpin;
  if (link.checksumOffload) kept.checksumOffload = link.checksumOffload;
  if (link.up && !kept.up) goUp(kept);
  if (!link.up && kept.up) goDown(kept);
  return {};
}

void FakeNetwork::goUp(Link& link) {
  link.up = true;
  link.running = hasCarrier(link);
  std::vector<Address> addresses;
  forEachAddress(state_, link.name, [&](const Address& address) { addresses.push_back(address); });
  for (const auto& address : addresses) addConnected(address);
}

/// IPv4 addresses stay, and that is all.
void FakeNetwork::goDown(Link& link) {
  link.up = link.running = false;
  std::erase_if(state_.routes, [&](const auto& entry) { return entry.second.link == link.name; });
  std::erase_if(state_.neighbours, [&](const auto& entry) { return entry.first.link == link.name; });
  std::erase_if(state_.addresses, [&](const auto& entry) {
    return entry.first.link == link.name && !entry.first.address.address.isV4();
  });
}

void FakeNetwork::remove(const Link& link) {
  const auto found = state_.links.find(link.name);
  if (found == state_.links.end()) return;
  goDown(found->second);
  std::erase_if(state_.addresses, [&](const auto& entry) { return entry.first.link == link.name; });
  for (const std::string family : kLinkSettings) {
    std::erase_if(state_.sysctls,
                  [&](const auto& entry) { return entry.first.starts_with(family + link.name + "/"); });
  }
  std::erase_if(state_.forwarding, [&](const auto& entry) { return entry.first.link == link.name; });
  for (auto& [name, port] : state_.links) {
    if (port.master != link.name) continue;
    port.master = "";
    port.hairpin.reset();
  }
  state_.links.erase(found);
  std::vector<Link> tunnels;
  for (const auto& [name, tunnel] : state_.links) {
    if (tunnel.vxlan && tunnel.vxlan->underlay == link.name) tunnels.push_back(tunnel);
  }
  for (const auto& tunnel : tunnels) remove(tunnel);
}

Result<void> FakeNetwork::add(const Address& address) {
  TWILL_CHECK(checkLink(address.link));
  Result<void> outcome;
  forEachAddress(state_, address.link, [&](const Address& other) {
    const bool same = other.address.address == address.address.address;
    if (same && !address.address.address.isV4()) outcome = refused(EEXIST, "ipv6: address already assigned");
  });
  TWILL_CHECK(outcome);
  state_.put(withoutOwner(address));
  if (state_.links.at(address.link).up) addConnected(address);
  return {};
}

void FakeNetwork::addConnected(const Address& address) {
  const auto& [ip, length] = address.address;
  if (address.link == "lo" || (ip.isV4() && length == ip.bits())) return;  // the table "local" has those
  Route route;
  route.dst = address.address.prefix();
  route.link = address.link;
  route.protocol = kKernelProtocol;
  if (ip.isV4()) {
    route.source = ip;
  } else {
    route.metric = kConnectedMetric6;
  }
  state_.routes.try_emplace(keyOf(route), route);
}

void FakeNetwork::remove(const Address& address) {
  if (state_.addresses.erase(keyOf(address)) == 0) return;
  const bool v4 = address.address.address.isV4();
  bool stillConnected = false;
  bool stillV4 = false;
  forEachAddress(state_, address.link, [&](const Address& other) {
    stillConnected = stillConnected || other.address.prefix() == address.address.prefix();
    stillV4 = stillV4 || other.address.address.isV4();
  });
  // Without an IPv4 address a link has no IPv4 at all.
  const bool disabled = v4 && !stillV4;
  std::erase_if(state_.routes, [&](const auto& entry) {
    const Route& route = entry.second;
    if (v4 && route.source == address.address.address) return true;
    if (route.link != address.link) return false;
    if (disabled && route.dst.isV4()) return true;
    return !stillConnected && route.protocol == kKernelProtocol && route.dst == address.address.prefix();
  });
  std::erase_if(state_.neighbours, [&](const auto& entry) {
    return disabled && entry.first.link == address.link && entry.first.address.isV4();
  });
}

Result<void> FakeNetwork::add(const Neighbour& neighbour) {
  TWILL_CHECK(checkLink(neighbour.link));
  state_.put(withoutOwner(neighbour));
  return {};
}

Result<void> FakeNetwork::add(const ForwardingEntry& entry) {
  TWILL_CHECK(checkLink(entry.link));
  if (state_.links.at(entry.link).kind != LinkKind::vxlan) return refused(EOPNOTSUPP);
  state_.put(withoutOwner(entry));
  return {};
}

Result<void> FakeNetwork::add(const Rule& rule) {
  const bool fresh = state_.rules.try_emplace(keyOf(rule), withoutOwner(rule)).second;
  return fresh ? Result<void>() : refused(EEXIST);
}

Result<void> FakeNetwork::checkRoute(const Route& route) const {
  if (route.type != RouteType::unicast) return {};
  TWILL_CHECK(checkLink(route.link));
  if (!state_.links.at(route.link).up) return refused(ENETDOWN, "Device for nexthop is not up");
  if (route.source && !isLocal(*route.source)) return refused(EINVAL, "Invalid prefsrc address");
  if (!route.via || route.onlink || isOnLink(*route.via, route.link)) return {};
  return route.dst.isV4() ? refused(ENETUNREACH, "Nexthop has invalid gateway") : refused(EHOSTUNREACH);
}

bool FakeNetwork::isOnLink(const IpAddress& gateway, const std::string& link) const {
  if (!gateway.isV4() && gateway.isLinkLocal()) return true;
  bool near = false;
  forEachAddress(state_, link,
                 [&](const Address& address) { near = near || address.address.prefix().contains(gateway); });
  for (int length = gateway.bits(); !near && length > 0; --length) {
    const Prefix dst(gateway, length);
    for (auto at = state_.routes.lower_bound({dst, 0}); at != state_.routes.end() && at->first.dst == dst;
         ++at) {
      near = near || (at->second.link == link && !at->second.via);
    }
  }
  return near;
}

bool FakeNetwork::isLocal(const IpAddress& address) const {
  return std::any_of(state_.addresses.begin(), state_.addresses.end(),
                     [&](const auto& entry) { return entry.first.address.address == address; });
}

Result<void> FakeNetwork::add(const Route& route) {
  TWILL_CHECK(checkRoute(route));
  const auto key = keyOf(route);
  const auto [at, fresh] = state_.routes.try_emplace(key, withoutOwner(route));
  if (!fresh) return refused(EEXIST);
  at->second.metric = key.metric;
  return {};
}

Result<void> FakeNetwork::change(const Route& route) {
  TWILL_CHECK(checkRoute(route));
  const auto key = keyOf(route);
  auto& kept = state_.routes[key] = withoutOwner(route);
  kept.metric = key.metric;
  return {};
}

void FakeNetwork::remove(const Route& route) {
  const auto found = state_.routes.find(keyOf(route));
  if (found == state_.routes.end()) return;
  const auto& kept = found->second;
  const bool meant = kept.link == route.link && kept.via == route.via && kept.protocol == route.protocol;
  if (meant) state_.routes.erase(found);
}

}  // namespace twill
