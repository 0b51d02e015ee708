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

}  // namespace

bool satisfies(const Sysctl& actual, const Sysctl& wanted) {
  return actual.value == wanted.value;
}

bool satisfies(const Firewall& actual, const Firewall& wanted) {
  return actual.sets == wanted.sets &&
         std::equal(actual.chains.begin(), actual.chains.end(), wanted.chains.begin(), wanted.chains.end(),
                    [](const auto& a, const auto& w) {
                      return a.first == w.first && sameRules(a.second, w.second);
                    });
}

bool satisfies(const Link& actual, const Link& wanted) {
  return actual.kind == wanted.kind && actual.alias == wanted.alias && actual.up == wanted.up &&
         (!wanted.mtu || actual.mtu == wanted.mtu) && (!wanted.mac || actual.mac == wanted.mac) &&
         (!wanted.master || actual.master.value_or("") == *wanted.master) &&
         (!wanted.hairpin || actual.hairpin.value_or(false) == *wanted.hairpin);
}

bool satisfies(const Neighbour& actual, const Neighbour& wanted) {
  return actual.mac == wanted.mac;
}

bool satisfies(const Route& actual, const Route& wanted) {
  return actual.type == wanted.type && actual.link == wanted.link && actual.via == wanted.via &&
         actual.source == wanted.source && actual.mtu == wanted.mtu && actual.onlink == wanted.onlink;
}

bool mustBeMade(const Link& wanted, const KernelState& actual) {
  const auto found = actual.links.find(wanted.name);
  if (found == actual.links.end()) return true;
  return found->second.ours() && found->second.kind != wanted.kind;
}

}  // namespace twill
