// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <string>

#include "datastore/etcd/client.hpp"
#include "model/cluster.hpp"

namespace twill::etcd {

/// What is known of the keys under flannel's prefix: <prefix>/config and <prefix>/subnets/*. A plain value.
class Picture {
 public:
  explicit Picture(std::string prefix) : prefix_(std::move(prefix)) {}

  void replace(const Listing& listing);
  /// False: nothing that is looked at has changed.
  bool apply(const Changes& changes);
  [[nodiscard]] std::int64_t revision() const { return revision_; }

  /// The map. An error says that there is no network config, or what is wrong with it. Keys and values that
  /// are no leases are left out and named in `unreadable`.
  [[nodiscard]] Result<Cluster> cluster(std::set<std::string>& unreadable) const;

  /// What to write so that `mine` is this node's lease; nothing when it is there already. `before`: the key
  /// that this node wrote last. Kind::conflict: somebody else holds the subnet, or one that overlaps it.
  struct Plan {
    bool done = false;
    Write write;  ///< its lease is that of the key; 0 where it has none, or is new
    bool isNew = false;
  };
  [[nodiscard]] Result<Plan> planFor(const Lease& mine, const std::string& before) const;

 private:
  std::string prefix_;
  std::int64_t revision_ = 0;
  std::map<std::string, KeyValue> entries_;  ///< by key
};

}  // namespace twill::etcd
