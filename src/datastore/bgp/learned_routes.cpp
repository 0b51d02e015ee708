// SPDX-License-Identifier: Apache-2.0
#include "datastore/bgp/learned_routes.hpp"

#include <algorithm>
#include <utility>

#include "datastore/bgp/record.hpp"

namespace twill::bgp {

std::set<Prefix> LearnedRoutes::see(const std::vector<LearnedRoute>& table) {
  const auto before = std::exchange(table_, {});
  for (const auto& route : table) {
    table_.emplace_hint(table_.end(), route.prefix, route);
    const auto was = before.find(route.prefix);
    if (was == before.end() || was->second != route) unasked_.insert(route.prefix);
  }
  for (const auto& [prefix, route] : before) {
    if (!table_.contains(prefix)) unasked_.insert(prefix);
  }
  std::set<Prefix> ask = unasked_;
  for (const auto& route : table) {
    const auto entry = entries_.find(route.prefix);
    if (entry == entries_.end() || entry->second.seen != route) ask.insert(route.prefix);
  }
  for (const auto& [prefix, entry] : entries_) {
    if (entry.seen && !table_.contains(prefix)) ask.insert(prefix);
  }
  return ask;
}

void LearnedRoutes::put(const Prefix& prefix, const std::vector<const BirdRoute*>& routes) {
  Entry& entry = entries_[prefix];
  size_ += routes.size() - entry.routes;
  entry.routes = routes.size();
  const auto seen = table_.find(prefix);
  entry.seen = seen == table_.end() ? std::nullopt : std::optional(seen->second);
  if (routes.empty()) {
    if (!entry.seen) entries_.erase(prefix);
    return;
  }
  entry.announcements.clear();
  for (const BirdRoute* route : routes) {
    const Announcement one{prefix, route->nextHop,
                           fromCommunities(route->communities).value_or(std::string())};
    if (std::find(entry.announcements.begin(), entry.announcements.end(), one) == entry.announcements.end())
      entry.announcements.push_back(one);
  }
}

void LearnedRoutes::answer(const std::set<Prefix>& asked, const std::vector<BirdRoute>& routes) {
  std::map<Prefix, std::vector<const BirdRoute*>> byPrefix;
  for (const Prefix& prefix : asked) byPrefix[prefix];
  for (const auto& route : routes) {
    if (asked.contains(route.prefix)) byPrefix[route.prefix].push_back(&route);
  }
  for (const auto& [prefix, some] : byPrefix) put(prefix, some);
}

void LearnedRoutes::answerAll(const std::vector<BirdRoute>& routes) {
  std::set<Prefix> all;
  for (const auto& [prefix, entry] : entries_) all.insert(prefix);
  for (const auto& [prefix, route] : table_) all.insert(prefix);
  for (const auto& route : routes) all.insert(route.prefix);
  answer(all, routes);
}

bool LearnedRoutes::isComplete() const {
  return std::all_of(table_.begin(), table_.end(), [this](const auto& seen) {
    const auto entry = entries_.find(seen.first);
    return entry != entries_.end() && !entry->second.announcements.empty();
  });
}

void LearnedRoutes::takeTable(const std::vector<LearnedRoute>& table) {
  entries_.clear();
  size_ = table.size();
  for (const auto& route : table) {
    entries_[route.prefix] = {
        .announcements = {{route.prefix, route.nextHop, {}}}, .routes = 1, .seen = route};
  }
}

std::vector<Announcement> LearnedRoutes::announcements() const {
  std::vector<Announcement> out;
  for (const auto& [prefix, entry] : entries_)
    out.insert(out.end(), entry.announcements.begin(), entry.announcements.end());
  return out;
}

}  // namespace twill::bgp
