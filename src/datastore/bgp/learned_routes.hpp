// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "datastore/bgp/bird_reply.hpp"
#include "datastore/bgp/picture.hpp"
#include "datastore/bgp/route_tables.hpp"

namespace twill::bgp {

/// What is known of others' subnets, put together from the kernel's table, which says when something has
/// changed, and from BIRD, which says all of it: records, and the routes that are not the best. Pure.
class LearnedRoutes {
 public:
  /// The table as it is. Returns the prefixes that BIRD has to be asked about: those that are new or gone, or
  /// have another next hop or digest.
  [[nodiscard]] std::set<Prefix> see(const std::vector<LearnedRoute>& table);
  /// BIRD is being asked now about what see() returned, or about all: what changes in the table from here on
  /// its answer may not know of yet.
  void asking() { unasked_.clear(); }
  /// BIRD's answer about these prefixes. What it does not name is gone, unless the table still has it: a BIRD
  /// that has just been started may not have heard of it again yet.
  void answer(const std::set<Prefix>& asked, const std::vector<BirdRoute>& routes);
  /// BIRD's answer about all.
  void answerAll(const std::vector<BirdRoute>& routes);
  /// There is no BIRD of ours to ask: the table is all.
  void takeTable(const std::vector<LearnedRoute>& table);

  [[nodiscard]] std::vector<Announcement> announcements() const;
  /// Of all that the table has it is known who announces it.
  [[nodiscard]] bool isComplete() const;
  /// How many routes BIRD has said it has, by this.
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  struct Entry {
    std::vector<Announcement> announcements;
    std::size_t routes = 0;            ///< BIRD's; several may come to one
    std::optional<LearnedRoute> seen;  ///< the kernel's, when BIRD was asked last
  };
  void put(const Prefix& prefix, const std::vector<const BirdRoute*>& routes);

  std::map<Prefix, Entry> entries_;
  std::map<Prefix, LearnedRoute> table_;
  std::set<Prefix> unasked_;  ///< changed in the table since BIRD was asked
  std::size_t size_ = 0;
};

}  // namespace twill::bgp
