// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "plan/objects.hpp"

namespace twill {

/// What a node's kernel holds, or should hold: as far as Twill is concerned with it. A plain value.
///
/// A wanted state names only what Twill wants. An actual state (kernel/kernel.hpp) also holds what is foreign
/// but may be in the way: all links and addresses, rules that lead to our table, default routes, and routes
/// inside the cluster's networks.
struct KernelState {
  std::map<std::string, Sysctl> sysctls;      ///< by path
  std::map<std::string, Firewall> firewalls;  ///< by table
  std::map<SetElementKey, SetElement> setElements;
  std::map<std::string, Link> links;  ///< by name
  std::map<AddressKey, Address> addresses;
  std::map<NeighbourKey, Neighbour> neighbours;
  std::map<ForwardingKey, ForwardingEntry> forwarding;
  std::map<RouteKey, Route> routes;
  std::map<RuleKey, Rule> rules;

  void put(Sysctl sysctl);
  void put(Firewall firewall);
  void put(SetElement element);
  void put(Link link);
  void put(Address address);
  void put(Neighbour neighbour);
  void put(ForwardingEntry entry);
  void put(Route route);
  void put(Rule rule);
};

/// Adds all of `part`; where both hold an object under one key, `part`'s stays. A table becomes that of both,
/// chain by chain and set by set.
void merge(KernelState& into, const KernelState& part);

/// Adds `part`'s chains, sets and counters to a table.
void merge(Firewall& into, const Firewall& part);

/// Puts `who` before each owner.
void ownedBy(const std::string& who, KernelState& state);

/// The interface that a setting belongs to: "eth0" for net/ipv4/conf/eth0/forwarding, else empty.
[[nodiscard]] std::string_view linkOfSetting(std::string_view path);

/// Takes out the links, addresses, neighbours, forwarding entries, routes, rules and elements whose keys
/// `part` holds, and the settings of those links. Other settings and tables stay.
void subtract(KernelState& from, const KernelState& part);

}  // namespace twill
