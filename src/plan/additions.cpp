// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "plan/compare.hpp"
#include "plan/diff.hpp"
#include "plan/words.hpp"

namespace twill {
namespace {

using Names = std::set<std::string>;

constexpr std::uint8_t kKernelProtocol = 2;  // RTPROT_KERNEL, linux/rtnetlink.h

/// One pass over the wanted part, kind by kind in the order in which the kernel accepts them.
class Additions {
 public:
  Additions(const KernelState& part, const KernelState& actual) : part_(part), actual_(actual) {
    Cursor cursor(actual.links);
    for (const auto& [name, link] : part.links) {
      if (mustBeMade(link, cursor.find(name))) fresh_.insert(name);
    }
  }

  Difference run() && {
    constexpr std::size_t kOther = 64;  // of kinds that a node has few of; one too many would copy them all
    out_.operations.reserve(lacking(&KernelState::setElements) + lacking(&KernelState::neighbours) +
                            lacking(&KernelState::forwarding) + lacking(&KernelState::routes) + kOther);
    addSysctls(false);
    addFirewalls();
    // Before the links: what a container may send is known before it can send.
    addAmongOurs(&KernelState::setElements);
    addLinks();
    addSysctls(true);
    addAddresses();
    addNeighbours();
    addAmongOurs(&KernelState::forwarding);
    addRoutes();
    addRules();
    return std::move(out_);
  }

 private:
  /// How many there are at least to add of a kind that peers have: with thousands of them an operation less
  /// that is copied pays.
  template <class Map>
  std::size_t lacking(const Map KernelState::*entries) const {
    const auto has = (actual_.*entries).size();
    return (part_.*entries).size() - std::min((part_.*entries).size(), has);
  }

  /// Made where it stays: with thousands of peers each move of an object shows.
  template <class T>
  void step(Verb verb, T&& object) {
    auto& operation = out_.operations.emplace_back();
    operation.verb = verb;
    operation.object.template emplace<std::remove_cvref_t<T>>(std::forward<T>(object));
  }
  void obstacle(const std::string& owner, std::string text) {
    out_.obstacles.push_back({owner, std::move(text)});
  }

  /// The settings of wanted links wait until those are there. One that `actual` does not hold is written all
  /// the same: only the attempt tells a setting that nobody read from one whose module is not loaded, and the
  /// kernel's answer names the file.
  void addSysctls(bool ofWantedLinks) {
    for (const auto& [path, wanted] : part_.sysctls) {
      const std::string link(linkOfSetting(path));
      if (part_.links.contains(link) != ofWantedLinks || blocked_.contains(link)) continue;
      const auto found = actual_.sysctls.find(path);
      if (found == actual_.sysctls.end() || fresh_.contains(link)) {
        step(Verb::add, wanted);
      } else if (!satisfies(found->second, wanted)) {
        step(Verb::change, wanted);
      }
    }
  }

  void addFirewalls() {
    for (const auto& [name, wanted] : part_.firewalls) {
      const auto found = actual_.firewalls.find(name);
      if (found == actual_.firewalls.end()) {
        step(Verb::add, wanted);
      } else if (!satisfies(found->second, wanted)) {
        step(Verb::change, wanted);
      }
    }
  }

  /// Objects of a kind in whose way nobody else's can be: they stand in tables or on links of ours.
  template <class Map>
  void addAmongOurs(const Map KernelState::*entries) {
    Cursor cursor(actual_.*entries);
    for (const auto& entry : part_.*entries) {
      const auto& wanted = entry.second;
      const auto* found = cursor.find(entry.first);
      if constexpr (requires { wanted.link; }) {
        if (blocked_.contains(wanted.link)) continue;
        if (fresh_.contains(wanted.link)) found = nullptr;
      }
      if (found == nullptr) {
        step(Verb::add, wanted);
      } else if (!satisfies(*found, wanted)) {
        step(Verb::change, wanted);
      }
    }
  }

  /// Bridges before their ports; bridges themselves have no master.
  void addLinks() {
    for (const bool ports : {false, true}) {
      Cursor cursor(actual_.links);
      for (const auto& [name, link] : part_.links) {
        if (hasMaster(link) == ports) addLink(link, cursor.find(name));
      }
    }
  }

  static bool hasMaster(const Link& link) { return link.master && !link.master->empty(); }

  /// `found`: the actual link of that name, or null.
  void addLink(const Link& wanted, const Link* found) {
    const bool taken = found != nullptr && !found->ours();
    if (taken) {
      obstacle(wanted.owner,
               fmt::format("{} cannot be made: the name is taken by a {} without an alias that starts with "
                           "\"{}\", so not Twill's; rename it or delete it",
                           describe(wanted), kindWord(found->kind), kAliasPrefix));
    }
    if (taken || !masterIsOurs(wanted) || (found == nullptr && hasRival(wanted))) {
      blocked_.insert(wanted.name);
      fresh_.erase(wanted.name);
      return;
    }
    if (found == nullptr) {
      step(Verb::add, wanted);
    } else if (mustBeMade(wanted, found)) {
      Link old = *found;
      old.owner = wanted.owner;
      step(Verb::remove, std::move(old));
      step(Verb::add, wanted);
    } else if (!satisfies(*found, wanted)) {
      step(Verb::change, wanted);
    }
  }

  /// The kernel has one VXLAN device for a VNI at a port: flannel's stays when its daemon is stopped.
  bool hasRival(const Link& wanted) {
    if (!wanted.vxlan) return false;
    for (const auto& [name, link] : actual_.links) {
      const auto& other = link.vxlan;
      if (link.ours() || !other || other->vni != wanted.vxlan->vni || other->port != wanted.vxlan->port ||
          other->local.family() != wanted.vxlan->local.family()) {
        continue;
      }
      obstacle(
          wanted.owner,
          fmt::format("{} cannot be made: {} has VNI {} at UDP port {}, and is not Twill's; delete it, or "
                      "choose another VNI for the cluster",
                      describe(wanted), describe(link), other->vni, other->port));
      return true;
    }
    return false;
  }

  /// A port is never put on a bridge that somebody else made.
  bool masterIsOurs(const Link& port) {
    if (!hasMaster(port)) return true;
    if (port.master != masterName_) {  // thousands may have the same
      masterName_ = port.master;
      const auto found = actual_.links.find(*port.master);
      master_ = found == actual_.links.end() ? nullptr : &found->second;
    }
    if (master_ == nullptr || master_->ours()) return true;
    obstacle(port.owner, fmt::format("{} has no bridge: {} is not Twill's; rename it or delete it",
                                     describe(port), describe(*master_)));
    return false;
  }

  void addAddresses() {
    Cursor cursor(actual_.addresses);
    for (const auto& [key, wanted] : part_.addresses) {
      if (blocked_.contains(wanted.link)) continue;
      const bool fresh = fresh_.contains(wanted.link);
      if (!fresh && cursor.find(key) != nullptr) continue;
      const auto* same = fresh ? nullptr : sameIpv6(wanted);
      const auto* foreign = same != nullptr && !same->ours() ? same : elsewhere(wanted);
      if (foreign != nullptr) {
        obstacle(wanted.owner, fmt::format("{} cannot be had: {} is there, which is not Twill's; remove one "
                                           "of the two",
                                           describe(wanted), describe(*foreign)));
        continue;
      }
      if (same != nullptr) {
        Address old = *same;
        old.owner = wanted.owner;
        step(Verb::remove, std::move(old));
      }
      step(Verb::add, wanted);
    }
  }

  /// IPv6 allows an address once on a link, whatever its length; the old one has to go first.
  const Address* sameIpv6(const Address& wanted) const {
    if (wanted.address.address.isV4()) return nullptr;
    const auto found = actual_.addresses.lower_bound({wanted.link, {wanted.address.address, 0}});
    const bool same = found != actual_.addresses.end() && found->first.link == wanted.link &&
                      found->first.address.address == wanted.address.address;
    return same ? &found->second : nullptr;
  }

  /// The same address on another link, if not ours. Link-local ones may be on every link.
  const Address* elsewhere(const Address& wanted) {
    if (wanted.address.address.isLinkLocal()) return nullptr;
    if (!foreign_) {  // built once, and only when an address is missing
      foreign_.emplace();
      for (const auto& [key, address] : actual_.addresses) {
        if (!address.ours()) foreign_->emplace(address.address.address, &address);
      }
    }
    const auto [first, last] = foreign_->equal_range(wanted.address.address);
    for (auto at = first; at != last; ++at) {
      if (at->second->link != wanted.link) return at->second;
    }
    return nullptr;
  }

  void addNeighbours() {
    Cursor cursor(actual_.neighbours);
    for (const auto& [key, wanted] : part_.neighbours) {
      if (blocked_.contains(wanted.link)) continue;
      const auto* found = fresh_.contains(wanted.link) ? nullptr : cursor.find(key);
      if (found == nullptr) {
        step(Verb::add, wanted);
      } else if (!satisfies(*found, wanted)) {
        if (found->ours()) {
          step(Verb::change, wanted);
        } else {
          obstacle(wanted.owner, fmt::format("{} cannot be had: {} is there, which is not Twill's; delete it",
                                             describe(wanted), describe(*found)));
        }
      }
    }
  }

  /// Routes on a link before those via a next hop, which may need them.
  void addRoutes() {
    std::vector<std::pair<Verb, const Route*>> viaNextHop;
    Cursor cursor(actual_.routes);
    for (const auto& [key, wanted] : part_.routes) {
      if (blocked_.contains(wanted.link)) continue;
      const auto verb = routeVerb(key, wanted, cursor.seek({key.dst, 0}));
      if (!verb) continue;
      if (wanted.via) {
        viaNextHop.emplace_back(*verb, &wanted);
      } else {
        step(*verb, wanted);
      }
    }
    for (const auto& [verb, route] : viaNextHop) step(verb, *route);
  }

  /// Behind the routes that they lead to.
  void addRules() {
    for (const auto& [key, wanted] : part_.rules) {
      const auto found = actual_.rules.find(key);
      if (found == actual_.rules.end()) {
        step(Verb::add, wanted);
      } else if (!found->second.ours()) {
        obstacle(wanted.owner,
                 fmt::format("{} cannot be had: one with its priority and source (protocol {}) is "
                             "there, which is not Twill's; delete it or give it another priority",
                             describe(wanted), found->second.protocol));
      }
    }
  }

  /// What has to be done for one route, if anything. `at` is the first route to the same destination.
  std::optional<Verb> routeVerb(const RouteKey& key, const Route& wanted,
                                std::map<RouteKey, Route>::const_iterator at) {
    std::optional<Verb> verb = Verb::add;
    for (; at != actual_.routes.end() && at->first.dst == key.dst; ++at) {
      const auto& [otherKey, other] = *at;
      if (otherKey.table != key.table) continue;
      if (fresh_.contains(other.link)) continue;  // goes with its link, or went
      if (otherKey != key) {
        if (!other.ours() && !isConnected(other)) noteRival(key, wanted, otherKey, other);
      } else if (!other.ours()) {
        obstacle(wanted.owner,
                 fmt::format("{} cannot be had: {} (protocol {}) is there, which is not Twill's; "
                             "delete it or give it another metric",
                             describe(wanted), describe(other), other.protocol));
        verb.reset();
      } else if (satisfies(other, wanted)) {
        verb.reset();
      } else {
        verb = Verb::change;
      }
    }
    return verb;
  }

  /// The kernel makes a route for each address; those of our own links are no rivals.
  bool isConnected(const Route& route) const {
    if (route.protocol != kKernelProtocol) return false;
    const auto found = actual_.links.find(route.link);
    return found != actual_.links.end() && found->second.ours();
  }

  void noteRival(const RouteKey& key, const Route& wanted, const RouteKey& otherKey, const Route& other) {
    const bool wins = otherKey.metric < key.metric;
    auto text = fmt::format("{} {} {} (protocol {}), which is not Twill's{}", describe(wanted),
                            wins ? "is overshadowed by" : "overshadows", describe(other), other.protocol,
                            wins ? ": traffic takes the other one; delete it or raise its metric" : "");
    (wins ? out_.obstacles : out_.notices).push_back({wanted.owner, std::move(text)});
  }

  const KernelState& part_;
  const KernelState& actual_;
  Names fresh_;                            ///< links that this difference makes
  Names blocked_;                          ///< wanted links that cannot be had
  std::optional<std::string> masterName_;  ///< the last that was looked up
  const Link* master_ = nullptr;           ///< the actual link of that name
  std::optional<std::multimap<IpAddress, const Address*>> foreign_;
  Difference out_;
};

}  // namespace

Difference additions(const KernelState& part, const KernelState& actual) {
  return Additions(part, actual).run();
}

}  // namespace twill
