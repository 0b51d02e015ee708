// SPDX-License-Identifier: Apache-2.0
#include "cloud/compare.hpp"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

namespace twill::cloud {
namespace {

using namespace std::chrono_literals;

/// A subnet as a node of this network holds one.
bool isSubnet(const CloudWish& wish, const Prefix& dst) {
  return std::any_of(wish.networks.begin(), wish.networks.end(), [&](const FamilyConfig& network) {
    return network.network.contains(dst) && dst.length() == network.subnetLength;
  });
}

/// Somebody holds it, or a part of it, or all that is around it.
bool isLeased(const CloudWish& wish, const Prefix& dst) {
  return std::any_of(wish.leased.begin(), wish.leased.end(),
                     [&](const Prefix& subnet) { return subnet.overlaps(dst); });
}

std::string words(const Route& route) {
  return fmt::format("{}{}{} to {}", route.dst.text(), route.table.empty() ? "" : " in " + route.table,
                     route.id.empty() ? "" : " (" + route.id + ")", route.target);
}

void compareOwn(const Self& self, const std::vector<Route>& table, const Prefix& own, const std::string& name,
                Actions& out) {
  const Route* there = nullptr;
  bool foreign = false;
  for (const Route& route : table) {
    if (route.table != name || route.extra) continue;
    if (route.dst == own && route.ours) {
      if (there == nullptr || route.target == self.target) there = &route;
    } else if (route.dst == own) {
      foreign = true;
      out.conflicts.push_back(fmt::format(
          "route {} is not Twill's and leads this node's subnet elsewhere; remove it", words(route)));
    } else if (own.contains(route.dst)) {
      out.conflicts.push_back(fmt::format(
          "route {} takes a part of this node's subnet {} elsewhere; remove it", words(route), own.text()));
    }
  }
  const bool good = there != nullptr && there->target == self.target && there->state == Route::State::active;
  if (!good && !foreign)
    out.put.push_back({own, name, there == nullptr ? std::nullopt : std::optional(*there)});
}

/// A second route of ours to the same destination: an older spelling, or what an attempt left behind.
void findDoubles(const Self& self, const std::vector<Route>& table, const Prefix& own, Actions& out) {
  for (const std::string& name : self.tables) {
    const auto isOne = [&](const Route& route) {
      return route.table == name && route.dst == own && route.ours;
    };
    const auto good = std::find_if(table.begin(), table.end(), [&](const Route& route) {
      return isOne(route) && route.target == self.target && route.state == Route::State::active;
    });
    if (good == table.end()) continue;
    for (const Route& route : table) {
      if (isOne(route) && &route != &*good) out.erase.push_back(route);
    }
  }
}

}  // namespace

Actions compare(const CloudWish& wish, const Self& self, const std::vector<Route>& table, bool sweeps,
                const Pace& pace, TimePoint now, Orphans& orphans) {
  Actions out;
  if (wish.own.empty()) {
    std::copy_if(table.begin(), table.end(), std::back_inserter(out.erase), [&](const Route& route) {
      return route.ours && route.target == self.target && isSubnet(wish, route.dst);
    });
    return out;
  }
  for (const Prefix& own : wish.own) {
    for (const std::string& name : self.tables) compareOwn(self, table, own, name, out);
    findDoubles(self, table, own, out);
  }
  Orphans seen;
  for (const Route& route : table) {
    if (!route.ours || route.extra || !isSubnet(wish, route.dst) || isLeased(wish, route.dst)) continue;
    const auto key = std::pair(route.table, route.dst);
    const auto before = orphans.find(key);
    const TimePoint since = before == orphans.end() ? now : before->second;
    seen.emplace(key, since);
    const bool due = route.state == Route::State::blackhole || now - since >= pace.orphanRespite;
    if (sweeps && due) out.erase.push_back(route);
  }
  orphans = std::move(seen);
  return out;
}

const std::string& sweeperOf(const std::vector<std::string>& nodes, std::uint64_t epoch) {
  static const std::string kNobody;
  // A prime step: neighbours by name often fail together.
  return nodes.empty() ? kNobody : nodes[epoch * 7919 % nodes.size()];
}

std::chrono::milliseconds periodOf(const Pace& pace, std::size_t nodes) {
  constexpr auto kEach = 200ms;
  return std::max<std::chrono::milliseconds>(pace.period, kEach * nodes);
}

std::chrono::milliseconds backOff(const Pace& pace, const Outcome& outcome, unsigned refusals,
                                  std::size_t nodes, double random) {
  // What a person has to mend is looked at again now and then.
  const bool stuck = outcome.kind == Kind::quota || outcome.kind == Kind::permanent ||
                     outcome.kind == Kind::auth || outcome.kind == Kind::conflict;
  // A changing call is let through five times a second, for all nodes together.
  constexpr auto kEach = 100ms;
  const auto longest = std::max<std::chrono::milliseconds>(stuck ? 60s : 30s, kEach * nodes);
  const unsigned doublings = std::min(refusals == 0 ? 0U : refusals - 1, 10U);
  const auto ceiling = std::min<std::chrono::milliseconds>(pace.firstWait * (1U << doublings), longest);
  // A little at least, so that a lucky number is no storm.
  const auto wait = std::chrono::milliseconds(
      static_cast<std::int64_t>(static_cast<double>(ceiling.count()) * (0.1 + 0.9 * random)));
  return std::max(wait, outcome.after);
}

}  // namespace twill::cloud
