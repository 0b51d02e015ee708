// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "lab/spec.hpp"
#include "model/cluster.hpp"
#include "plan/state.hpp"

/// A lab's addresses and cables, worked out from its spec. Pure.
///
///   segment k         10.0.k.0/24, fd00:0:0:k::/64: bridge seg<k+1> in the namespace "wire"
///   router            .1 and ::1 of each segment, where there are several, or a cloud
///   etcd              10.0.0.2, with that datastore
///   node j of it      .10, .20, ... and ::10, ::20 (every address where there are more than 24)
///   node i's subnet   172.16.i.0/24, fd42:0:0:i::/64
namespace twill::lab {

struct NodePlan {
  std::string name;
  int segment = 0;
  InterfaceAddress v4;
  std::optional<InterfaceAddress> v6;
  Lease lease;
};

struct SegmentPlan {
  std::string bridge;
  int mtu = 1500;
  InterfaceAddress router4;
  std::optional<InterfaceAddress> router6;
};

struct Topology {
  std::vector<NodePlan> nodes;
  std::vector<SegmentPlan> segments;
  std::optional<InterfaceAddress> etcd;  ///< the machine that etcd runs on, in the first segment

  bool cloud = false;  ///< the router is a cloud's, and one segment has it, too

  [[nodiscard]] bool hasRouter() const { return segments.size() > 1 || cloud; }
};

[[nodiscard]] Topology topologyOf(const Spec& spec);

/// The AS of the router between segments, with the datastore bgp; that of the nodes is Twill's default.
inline constexpr std::uint32_t kRouterAs = 65000;

/// Names of all machines; nodes first.
[[nodiscard]] std::vector<std::string> machinesOf(const Topology& topology);

/// Of a topology that has it.
[[nodiscard]] std::string etcdEndpoint(const Topology& topology);

/// net-conf.json of the lab's cluster.
[[nodiscard]] std::string networkConfigOf(const Spec& spec);

/// Path of a machine's network namespace.
using NamespacePath = std::function<std::string(const std::string& machine)>;

/// Where the cable of a node ends in "wire": at its segment's bridge, or at nothing, for a shaper that
/// carries its frames to the bridge and back (shaper.hpp).
enum class CableEnd : std::uint8_t { bridge, shaper };

/// The shaper's port of the bridge.
[[nodiscard]] std::string tapName(const NodePlan& node);

/// The namespace "wire": a bridge for each segment, and a veth to each machine's eth<n>, which gets its
/// address and its default route. The router's cables always end at the bridges.
[[nodiscard]] KernelState wireState(const Topology& topology, const NamespacePath& namespaceOf,
                                    CableEnd nodeCables);

/// The router: it forwards. With `host-gw`, unless it learns that by BGP, it also knows the way to each
/// node's subnet, as the operator of a routed network has to tell it: no encapsulation hides the containers'
/// addresses from it.
[[nodiscard]] KernelState routerState(const Topology& topology, const Spec& spec);

/// About how many neighbour entries the lab's kernels hold once everybody has talked with everybody.
[[nodiscard]] int neighboursOf(const Spec& spec);

/// How many IP layers a packet passes between two places, each of which takes one from its TTL.
[[nodiscard]] int routersBetween(const Topology& topology, const Spec& spec, const PlaceName& from,
                                 const PlaceName& to);

}  // namespace twill::lab
