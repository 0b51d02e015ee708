// SPDX-License-Identifier: Apache-2.0
#include "agent/unknown_networks.hpp"

#include <algorithm>
#include <set>
#include <string>

#include "plan/network_names.hpp"

namespace twill {
namespace {

/// What the networks that are known have for themselves.
struct Known {
  std::vector<Prefix> prefixes;
  std::set<std::uint32_t> routingTables;
  std::set<std::string, std::less<>> tables;
  const KernelState& wanted;

  bool operator()(const Route& route) const {
    if (route.table != 0) return routingTables.contains(route.table);
    return std::any_of(prefixes.begin(), prefixes.end(),
                       [&](const Prefix& prefix) { return prefix.contains(route.dst); });
  }
  bool operator()(const Rule& rule) const { return routingTables.contains(rule.table); }
  // A container's, whose network is written down, whatever is known of it.
  bool operator()(const SetElement& element) const {
    return element.table == kTable || element.table == kBridgeTable || tables.contains(element.table);
  }
  bool operator()(const Address& address) const { return wanted.links.contains(address.link); }
  bool operator()(const Neighbour& neighbour) const { return wanted.links.contains(neighbour.link); }
  bool operator()(const ForwardingEntry& entry) const { return wanted.links.contains(entry.link); }
  bool operator()(const Link& link) const { return link.kind == LinkKind::veth; }
  bool operator()(const Firewall&) const { return false; }
  bool operator()(const Sysctl&) const { return false; }
};

}  // namespace

void spareUnknown(const std::vector<std::unique_ptr<Network>>& networks, const KernelState& wanted,
                  std::vector<Operation>& operations) {
  Known known{.prefixes = {}, .routingTables = {}, .tables = {}, .wanted = wanted};
  bool all = true;
  for (const auto& network : networks) {
    if (network->inForce() == nullptr) {
      all = false;
      continue;
    }
    for (const Prefix& prefix : network->inForce()->networks()) known.prefixes.push_back(prefix);
    known.routingTables.insert(routingTableOf(network->name()));
    known.tables.insert(tableOf(network->name()));
  }
  if (all) return;
  std::erase_if(operations, [&](const Operation& operation) {
    return operation.verb == Verb::remove && !std::visit(known, operation.object);
  });
}

}  // namespace twill
