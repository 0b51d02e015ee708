// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel_firewall_rules.hpp"
#include "kernel_network_rules.hpp"

/// What the agent counts on from any Kernel. Run against Linux (test/kernel) and against the fake
/// (src/kernel/fake), so that a test with the fake says something about Linux.
namespace twill::conformance {

/// Each begins with a kernel that holds a loopback interface at most.
struct Rule {
  const char* name;
  void (*check)(Kernel& kernel);
};

inline const Rule kRules[] = {
    {"a kernel holds what was applied", holdsWhatWasApplied},
    {"adding what is there counts as done", takesTwice},
    {"removing what is gone counts as done", removesTwice},
    {"each change is notified once, one's own too", notifies},
    {"an address brings a connected route", makesConnectedRoutes},
    {"a link that goes down drops routes, neighbours and IPv6 addresses", dropsWithADownLink},
    {"a link that goes takes all that is on it", dropsWithAGoneLink},
    {"the last IPv4 address takes the link's IPv4 routes and neighbours along", dropsWithTheLastAddress},
    {"a source address takes the routes that prefer it along", dropsWithTheSource},
    {"another MAC makes a link forget its neighbours", forgetsNeighboursOfAnotherMac},
    {"a VXLAN device keeps its entries, and is made anew for what cannot be changed", keepsTunnels},
    {"a TUN device is kept with what is on it although nobody is attached", keepsTunDevices},
    {"a bridge that goes releases its ports", releasesPorts},
    {"a next hop must be on the link", refusesFarNextHops},
    {"nothing stands on a link that is missing or down", refusesWhatStandsNowhere},
    {"nothing takes a key that another holds", refusesAnotherUnderTheSameKey},
    {"a setting without a file is refused by name", refusesSettingsThatAreNotThere},
    {"an operation that fails hurts only itself", failsOneAlone},
    {"a table has counters, and a change of its sets keeps them", keepsCounters},
    {"elements that stand apart are added, changed and removed alone", keepsElementsApart},
    {"sets of senders have elements of addresses and numbers", keepsSenders},
    {"a table that changes keeps its elements, one that goes takes them along", keepsElementsOfAChangedTable},
    {"an element that cannot be had hurts only itself", failsOneElementAlone},
    {"foreign routes are seen inside the networks of interest alone", showsForeignRoutesOfInterest},
};

inline void check(const Rule& rule, Kernel& kernel, Kernel* other) {
  INFO(rule.name);
  witness = other;
  rule.check(kernel);
  witness = nullptr;
}

}  // namespace twill::conformance
