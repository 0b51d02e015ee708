// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backend/checksum_offload.hpp"
#include "backend/ipip_engine.hpp"
#include "model/cloud_wish.hpp"
#include "model/cluster.hpp"
#include "model/tunnel_config.hpp"
#include "plan/ipip_tunnel.hpp"
#include "plan/state.hpp"

namespace twill {

/// Where this node stands on the underlay, as chosen from the kernel's own state.
struct Underlay {
  std::string link;  ///< interface that carries traffic between nodes
  int mtu = 1500;
  std::optional<InterfaceAddress> v4;  ///< the address peers reach us under, with its on-link prefix
  std::optional<InterfaceAddress> v6;
  /// The kernel takes routes and addresses on `link` from router advertisements: its accept_ra is not 0.
  bool acceptsRa = false;

  auto operator<=>(const Underlay&) const = default;

  [[nodiscard]] const std::optional<InterfaceAddress>& addressOf(Family family) const {
    return family == Family::v4 ? v4 : v6;
  }
  /// True when `peer` is on this node's own segment: inside the on-link prefix of the same family.
  [[nodiscard]] bool onSegment(const IpAddress& peer) const;
};

/// This node, as backends see it.
struct Self {
  std::string node;
  std::string network;  ///< which of its networks this is about; empty when it is in one alone
  std::vector<Prefix> otherNetworks = {};  ///< the prefixes of its other ones
  Underlay underlay;
  Lease lease;          ///< our own, as granted
  bool ipMasq = false;  ///< masquerade what leaves the cluster
  ChecksumOffload checksumOffload;
  /// Why the kernel's drivers cannot carry ipip; empty when they can.
  std::string noIpipDriver = "the kernel has not been asked for its drivers";
  /// What the outer packets to a node may be at most, by its address, where that is less than the underlay's
  /// link takes.
  std::map<IpAddress, int> pathMtus;

  auto operator<=>(const Self&) const = default;
};

/// What a backend wants the kernel to hold, and what it could not do and why.
struct Desired {
  KernelState state;
  std::optional<TunnelConfig> tunnel;    ///< what twill-tunnel is to do; none: there is to be none
  std::optional<IpipTunnel> ipip;        ///< what ipip's programs are to do, likewise; none with the driver
  std::optional<IpipEngine> ipipEngine;  ///< of ipip, where that is in use
  std::optional<CloudWish> cloud;        ///< what the cloud's route tables are to hold, likewise
  std::vector<std::string> notices;  ///< for `twill status`: peers left out, with the reason and what to do
};

/// One way to connect nodes. A new one is one file, one row in backend.cpp and one golden test.
struct Backend {
  std::string_view type;  ///< Backend.Type of the network config
  /// Bytes that containers can send at once, so that it fits through the underlay with all that is put around
  /// it. An error when the config alone makes that impossible.
  Result<int> (*mtu)(const NetworkConfig& config, const Underlay& underlay);
  /// Adds to this node's lease what peers need to know; its type is there already. Null: nothing.
  void (*publish)(const NetworkConfig& config, Lease& lease);
  /// Adds to `out` what this node's kernel should hold for those peers in `cluster` that are reached by this
  /// backend, and to be reached by it. Pure. Own lease is skipped.
  void (*desired)(const Cluster& cluster, const Self& self, Desired& out);
  /// Peers have a route via the public address itself, so it has to be on the underlay's link.
  bool viaPublicAddress = false;
};

[[nodiscard]] std::span<const Backend> backends();
/// The row for a type; an unknown one is an error that lists the known ones.
[[nodiscard]] Result<const Backend*> findBackend(std::string_view type);

/// What every node holds whatever the backend: forwarding and reverse path settings, masquerade. Pure.
void desiredNode(const Cluster& cluster, const Self& self, Desired& out);

/// The network's table, made at first use.
Firewall& tableIn(KernelState& state, const Self& self);

/// Above 0 and 1024, the metrics of a route that a person adds without one, so that a route made by hand goes
/// first in either family.
inline constexpr std::uint32_t kRouteMetricBase = 2000;

/// The metric that a peer's route gets: distinct per subnet, since the kernel adds routes with distinct
/// gateways on one device in quadratic time when device, metric and protocol agree (docs/adr/0002). Stable
/// over restarts. It is kRouteMetricBase plus the subnet's number within the network. Distinct among subnets
/// of one length; an IPv6 network with more than 2^32 subnets wraps around, which costs time only: no two
/// routes to different subnets are in each other's way.
[[nodiscard]] std::uint32_t routeMetric(const Prefix& network, const Prefix& subnet);

}  // namespace twill
