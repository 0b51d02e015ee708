// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "datastore/etcd/picture.hpp"

namespace twill::etcd {

/// One node's entry: <prefix>/twill/nodes/<name>-<hash of its machine id> ->
/// {"Node","PublicIP","PublicIPv6","BackendType","BackendData"}. flannel's leases know a node by its address
/// alone, so that two nodes with one address would take each other's lease for their own; with this each has
/// a name, and both see the other. The last two are udp's, whose leases have neither in flannel. It hangs on
/// the node's etcd lease.
struct Registration {
  std::string key;
  std::string node;
  std::optional<IpAddress> publicIp, publicIp6;
  std::string backendType, backendData;  ///< empty: the lease says it
  std::int64_t created = 0;              ///< revision; who came first
  std::int64_t touched = 0;  ///< revision of the last write; its node writes again when it sees a rival

  [[nodiscard]] bool isRivalOf(const Registration& other) const;
};

/// Whether a lease's type and data are kept here and not with the lease.
[[nodiscard]] bool isInRegistry(const Lease& lease);

/// As this node writes it: key and value. `machine` tells machines of one name apart (machine-id(5)).
[[nodiscard]] Write registrationOf(const Lease& mine, const std::string& machine,
                                   const std::string& registryPrefix);

/// All nodes' entries, those that came first first. Entries that cannot be read are as if they were not
/// there.
class Registry {
 public:
  explicit Registry(const Picture& picture);

  /// The name of the node whose lease it is; empty: it is not registered, as flannel's nodes are not.
  [[nodiscard]] std::string nodeAt(const Lease& lease) const;
  /// Fills in what a lease in flannel's form leaves out.
  void complete(Lease& lease) const;
  /// Null: there is none.
  [[nodiscard]] const Registration* find(const std::string& key) const;
  /// Of other nodes that have this one's name or one of its addresses.
  [[nodiscard]] std::vector<Registration> rivalsOf(const Registration& mine) const;
  /// For people: each pair of rivals.
  [[nodiscard]] std::vector<std::string> rivalries() const;

 private:
  std::vector<Registration> all_;
  [[nodiscard]] const Registration* at(const Lease& lease) const;
  std::map<IpAddress, std::size_t> first_;  ///< of all_, who registered the address first
};

}  // namespace twill::etcd
