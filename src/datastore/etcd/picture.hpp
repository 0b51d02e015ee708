// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "datastore/etcd/client.hpp"
#include "model/cluster.hpp"

namespace twill::etcd {

class Registry;

/// What is known of the keys under flannel's prefix: <prefix>/config and <prefix>/subnets/*, which are
/// flannel's, and <prefix>/twill/nodes/* (registry.hpp), which it does not look at. A plain value.
class Picture {
 public:
  explicit Picture(std::string prefix) : prefix_(std::move(prefix)) {}

  void replace(const Listing& listing);
  /// False: all of it was known.
  bool apply(const Changes& changes);
  /// What this node has written itself, at a revision, and will be told of later, or was already.
  void apply(const Write& write, std::int64_t revision);
  /// All that etcd held then is known, and of what came later perhaps what this node has written.
  [[nodiscard]] std::int64_t revision() const { return revision_; }
  /// Another number after each change of the registry.
  [[nodiscard]] std::uint64_t registryVersion() const { return registryVersion_; }

  /// The map. An error says that there is no network config, or what is wrong with it. Keys and values that
  /// are no leases are left out and named in `unreadable`.
  [[nodiscard]] Result<Cluster> cluster(std::set<std::string>& unreadable) const;
  [[nodiscard]] Result<std::string> config() const;

  /// Null: there is no such key.
  [[nodiscard]] const KeyValue* find(const std::string& key) const;
  /// All that begin with `prefix`, in order.
  [[nodiscard]] std::vector<const KeyValue*> under(const std::string& prefix) const;

  [[nodiscard]] std::string configKey() const { return prefix_ + "/config"; }
  [[nodiscard]] std::string subnetsPrefix() const { return prefix_ + "/subnets/"; }
  [[nodiscard]] std::string registryPrefix() const { return prefix_ + "/twill/nodes/"; }
  /// Read anew only after a change.
  [[nodiscard]] const Registry& registry() const;
  /// The lease in one of the entries under subnetsPrefix().
  [[nodiscard]] Result<Lease> leaseIn(const KeyValue& entry) const;

  /// For the disk, and back. An error: that is no such text, or of another prefix.
  [[nodiscard]] std::string toJson() const;
  [[nodiscard]] static Result<Picture> parse(const std::string& prefix, std::string_view json);

 private:
  void noteChange(const std::string& key);

  std::string prefix_;
  std::int64_t revision_ = 0;
  std::map<std::string, KeyValue> entries_;  ///< by key
  std::uint64_t registryVersion_ = 0;
  mutable std::shared_ptr<const Registry> registry_;  ///< of that version; null: not read yet
};

}  // namespace twill::etcd
