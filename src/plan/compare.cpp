// SPDX-License-Identifier: Apache-2.0
#include "plan/compare.hpp"

#include <algorithm>

namespace twill {
namespace {

bool sameRules(const Firewall::Chain& actual, const Firewall::Chain& wanted) {
  return actual.hook == wanted.hook &&
         std::equal(actual.rules.begin(), actual.rules.end(), wanted.rules.begin(), wanted.rules.end(),
                    [](const std::string& id, const std::string& rule) { return id == ruleId(rule); });
}

bool sameSet(const Firewall::Set& actual, const Firewall::Set& wanted) {
  return actual.type == wanted.type && actual.flags == wanted.flags && actual.apart == wanted.apart &&
         actual.elements == wanted.elements;
}

/// True when `actual` has an entry for each of `wanted`, and `same` holds for the two.
template <class Map, class Same>
bool holdsAll(const Map& actual, const Map& wanted, Same same) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& entry) {
    const auto found = actual.find(entry.first);
    return found != actual.end() && same(found->second, entry.second);
  });
}

bool includes(const std::set<std::string>& all, const std::set<std::string>& some) {
  return std::includes(all.begin(), all.end(), some.begin(), some.end());
}

}  // namespace

bool satisfies(const Sysctl& actual, const Sysctl& wanted) {
  return actual.value == wanted.value;
}

bool satisfies(const Firewall& actual, const Firewall& wanted) {
  return holdsAll(actual.sets, wanted.sets, sameSet) && holdsAll(actual.chains, wanted.chains, sameRules) &&
         includes(actual.counters, wanted.counters);
}

bool holdsMore(const Firewall& actual, const Firewall& wanted) {
  const auto nothing = [](const auto&, const auto&) { return true; };
  return !holdsAll(wanted.sets, actual.sets, nothing) || !holdsAll(wanted.chains, actual.chains, nothing) ||
         !includes(wanted.counters, actual.counters);
}

bool keepsElements(const std::string& set, const Firewall& actual, const Firewall& wanted) {
  const auto before = actual.sets.find(set);
  const auto after = wanted.sets.find(set);
  return before != actual.sets.end() && after != wanted.sets.end() && after->second.apart &&
         before->second.type == after->second.type;
}

bool satisfies(const SetElement& actual, const SetElement& wanted) {
  return actual.data == wanted.data;
}

bool satisfies(const Link& actual, const Link& wanted) {
  return actual.kind == wanted.kind && actual.alias == wanted.alias && actual.up == wanted.up &&
         (!wanted.mtu || actual.mtu == wanted.mtu) && (!wanted.mac || actual.mac == wanted.mac) &&
         (!wanted.master || actual.master.value_or("") == *wanted.master) &&
         (!wanted.hairpin || actual.hairpin.value_or(false) == *wanted.hairpin) &&
         (!wanted.checksumOffload || actual.checksumOffload.value_or(true) == *wanted.checksumOffload);
}

bool satisfies(const Neighbour& actual, const Neighbour& wanted) {
  return actual.mac == wanted.mac;
}

bool satisfies(const ForwardingEntry& actual, const ForwardingEntry& wanted) {
  return actual.node == wanted.node;
}

bool satisfies(const Route& actual, const Route& wanted) {
  return actual.type == wanted.type && actual.link == wanted.link && actual.via == wanted.via &&
         actual.source == wanted.source && actual.mtu == wanted.mtu && actual.onlink == wanted.onlink;
}

bool mustBeMade(const Link& wanted, const Link* actual) {
  return actual == nullptr ||
         (actual->ours() && (actual->kind != wanted.kind || (wanted.vxlan && actual->vxlan != wanted.vxlan) ||
                             (wanted.ipTunnel && actual->ipTunnel != wanted.ipTunnel)));
}

}  // namespace twill
