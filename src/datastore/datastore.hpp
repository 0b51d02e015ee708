// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "model/cluster.hpp"

namespace twill {

/// Where the node -> subnet map lives. A new datastore is one class with these two functions; it must pass
/// test/datastore_conformance.hpp.
///
/// Threading: constructed with the agent's io_context; callbacks come on its thread, never from inside the
/// call that registered them. Destroying the datastore ends all callbacks.
class Datastore {
 public:
  using OnCluster = std::function<void(Result<Cluster>)>;
  using OnPublished = std::function<void(Result<void>)>;

  virtual ~Datastore() = default;

  /// Calls back with the whole map once it is known, and again each time it changed: always the complete
  /// picture, in any order of leases, never a delta. An error says why no newer picture can be had
  /// (unreadable, malformed, unreachable) and means that the last one stays in force; it is said once for
  /// each change of its text, and the picture comes again once it is over. One watcher: a second call takes
  /// the place of the first.
  virtual void watch(OnCluster onCluster) = 0;

  /// Makes `mine` this node's lease, in place of an earlier one of the same node. Kind::conflict: another
  /// node holds an overlapping subnet or the same public address; nothing was changed. Publishing what is
  /// there already writes nothing. Several calls are served in their order.
  virtual void publish(const Lease& mine, OnPublished onPublished) = 0;
};

}  // namespace twill
