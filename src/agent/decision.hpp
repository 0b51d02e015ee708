// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/options.hpp"
#include "agent/subnet_env.hpp"
#include "agent/underlay.hpp"
#include "backend/backend.hpp"
#include "model/cluster.hpp"

namespace twill {

/// All that a node's decision depends on.
struct Inputs {
  const SoundCluster& cluster;
  const UnderlayChoice& underlay;
  const Options& options;
  const SubnetEnv&
      previous;       ///< what subnet.env said when the agent started; keeps the subnet over a lost lease
  const Lease& last;  ///< our lease as the datastore held it last; empty before the first
  /// Backends that were in use until a moment ago, and stay.
  std::vector<std::string_view> recent = {};
  std::string driver = {};                 ///< of the underlay's link
  std::string noIpipDriver = {};           ///< Self::noIpipDriver
  std::map<IpAddress, int> pathMtus = {};  ///< Self::pathMtus
  std::string network = {};                ///< its name; empty: the node is in one alone
  std::vector<Prefix> otherNetworks = {};  ///< of this node
  /// How backends were set up when they were the network's, by type; null: never. What is still in use of one
  /// that is no more stays so.
  const std::map<std::string, BackendConfig, std::less<>>* setUps = nullptr;
};

/// What this node should do about the cluster as it is.
struct Decision {
  std::optional<Lease> publish;         ///< our lease as it should stand in the datastore, when it does not
  bool leased = false;                  ///< the datastore holds our lease, and it has a subnet
  Self self;                            ///< its lease is the last one that held while leased is false
  Desired desired;                      ///< peers' and node's state; attachments are added by the agent
  std::vector<std::string_view> inUse;  ///< backends by which some node is reached, this one perhaps
  int mtu = 1500;                       ///< what containers get
  std::vector<std::string> problems;    ///< why the node is not as it should be; empty when all is well
};

/// Pure. Cost: linear in the leases. An error means that this node cannot do what the network config asks for
/// (an unknown backend); what was decided before should stay in force.
[[nodiscard]] Result<Decision> decide(const Inputs& inputs);

}  // namespace twill
