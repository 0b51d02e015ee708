// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/network_config.hpp"
#include "net/address.hpp"

namespace twill {

/// One node's share of the cluster: which subnets it holds and where on the underlay it is found.
struct Lease {
  std::string node;  ///< node name; empty in stores that know nodes by address only
  std::optional<Prefix> subnet;
  std::optional<Prefix> subnet6;
  std::optional<IpAddress> publicIp;
  std::optional<IpAddress> publicIp6;
  std::string backendType;  ///< empty for backends without data
  std::string backendData;  ///< JSON text as published, empty for none
  std::string backendV6Data;

  auto operator<=>(const Lease&) const = default;

  [[nodiscard]] const std::optional<Prefix>& subnetOf(Family family) const {
    return family == Family::v4 ? subnet : subnet6;
  }
  [[nodiscard]] const std::optional<IpAddress>& publicIpOf(Family family) const {
    return family == Family::v4 ? publicIp : publicIp6;
  }
  /// True when it is the lease of the node of that name or, where it names none, of the node at one of these
  /// addresses (of its IPv4 address alone, if it has one).
  [[nodiscard]] bool isOf(std::string_view name, const std::optional<IpAddress>& address,
                          const std::optional<IpAddress>& address6) const;
  /// How messages and operations name this lease: its node, else its address, else its subnet.
  [[nodiscard]] std::string name() const;
};

/// The whole map: what a datastore hands over each time something changed.
struct Cluster {
  NetworkConfig network;
  std::vector<Lease> leases;
  std::vector<std::string> warnings;  ///< what else is wrong in the store, for a person

  auto operator<=>(const Cluster&) const = default;
};

/// Two leases that cannot both hold, or one that cannot hold at all.
struct LeaseConflict {
  std::string loser;   ///< Lease::name() of the one that was set aside
  std::string winner;  ///< empty when the lease is wrong by itself (subnet outside the network)
  std::string text;    ///< the whole story for a person, both nodes named

  auto operator<=>(const LeaseConflict&) const = default;
};

/// A public address in a lease that no node can have.
struct BadAddress {
  std::string lease;  ///< Lease::name()
  std::string text;   ///< lease, address and reason, for a person

  auto operator<=>(const BadAddress&) const = default;
};

/// A cluster in which no two leases overlap, no node appears twice, every subnet lies inside its network, and
/// every public address is one that a node can have.
struct SoundCluster {
  Cluster cluster;
  std::vector<LeaseConflict> conflicts;
  std::vector<BadAddress> badAddresses;  ///< the leases stay, without them
};

/// Why no node can be reached at this address, "is a loopback address"; empty when one can.
[[nodiscard]] std::string reasonAgainstAddress(const IpAddress& address, const NetworkConfig& network);

/// Sets aside leases that conflict. Of two the one with the lower public address stays (IPv4 before IPv6,
/// then the lower node name, then the lower subnet; one without an address yields): the rule depends on the
/// leases alone, so every node decides alike, whatever the order. A subnet may have any length inside its
/// network; one of a family that the network has switched off is dropped from a lease that has the other.
/// Public addresses that no node can have are left out before. Leases come out sorted by subnet. Cost: n log
/// n.
[[nodiscard]] SoundCluster makeSound(Cluster cluster);

/// The leases of a lease file:
/// {"Leases":[{"Node","Subnet","IPv6Subnet","PublicIP","PublicIPv6","BackendType",
/// "BackendData","BackendV6Data"}...]}. Keys match whatever their case, unknown ones are ignored. Errors name
/// line or entry, key, value and expectation. Subnets may overlap or lie anywhere: makeSound() looks at that.
[[nodiscard]] Result<std::vector<Lease>> parseLeases(std::string_view json);

/// A lease file with one lease a line, so that people and diffs can read it.
[[nodiscard]] std::string toJson(const std::vector<Lease>& leases);

/// One entry of a lease file, on one line.
[[nodiscard]] std::string toJson(const Lease& lease);

}  // namespace twill
