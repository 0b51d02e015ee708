// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "datastore/gossip/serf.hpp"
#include "datastore/gossip/slots/slot_keeper.hpp"
#include "datastore/lease_data.hpp"
#include "model/cluster.hpp"

/// Between the slot table and the rest of Twill: leases in records, and what a node's tags say. Pure.
namespace twill::gossip {

/// The public addresses in a record's data (datastore/lease_data.hpp); none if it is no lease.
[[nodiscard]] std::vector<IpAddress> addressesOf(const std::string& data);

/// Whose lease it is, in what toData() made; nothing where that does not say.
[[nodiscard]] std::optional<std::string> nodeOf(const std::string& data);

/// The map. This node's own slot is in it in any case and under its name of today, the others' once they are
/// complete. A slot of a node that was there before under a name which is another's now (one that was set up
/// anew) is left out, and named in the warnings, as are records that cannot be read. `living`: who goes by
/// which name.
[[nodiscard]] Result<Cluster> pictureOf(const SlotKeeper& keeper,
                                        const std::map<std::string, NodeId>& living);

/// What a Twill node tells of itself, to each other and to `serf members`.
struct NodeTags {
  std::optional<ClusterId> cluster;  ///< none: in none yet
  NodeId id;
  std::uint32_t generation = 1;
  std::uint64_t boot = 0;
  std::set<std::string> noDirectWay;  ///< the nodes that it reaches by others only, by NodeId::brief()
  std::string unfit;                  ///< why it takes no part in the cluster that it has met

  bool operator==(const NodeTags&) const = default;
};

/// `lease`: this node's, if it has one. What does not fit into Serf's limit is left out, of `noDirectWay` all
/// but the first few, and of `unfit` what is longer than a line.
[[nodiscard]] Tags toTags(const NodeTags& node, const std::optional<Lease>& lease);
/// Nothing: not a Twill node, but a stock Serf agent.
[[nodiscard]] std::optional<NodeTags> nodeTagsOf(const Tags& tags);

}  // namespace twill::gossip
