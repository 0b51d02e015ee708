// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "model/cluster.hpp"

/// From what was learned to the map. Pure.
namespace twill::bgp {

/// A subnet, and who says that it is his.
struct Announcement {
  Prefix prefix;
  IpAddress nextHop;
  std::string record;  ///< empty: of a router that says nothing of itself

  auto operator<=>(const Announcement&) const = default;
};

struct PictureInputs {
  NetworkConfig network;
  std::vector<Announcement> learned;
  std::string node;          ///< this one
  std::optional<Lease> own;  ///< what it has announced
  std::set<IpAddress> dead;  ///< by probeAddressOf()
  IpAddress address;         ///< of its sessions
  /// Nobody has seen to it that all that was learned is subnets of the network: the rest is left out here.
  bool unfiltered = false;
};

/// The map: this node's lease, and those of all that are not dead. A lease of a router that says nothing has
/// neither name nor data, and the network's backend. Several owners of one subnet are all in it: which one
/// holds is makeSound()'s to decide, on every node alike. But if that is not this one, its own lease is left
/// out.
[[nodiscard]] Cluster pictureOf(const PictureInputs& inputs);

/// Where to ask who announces this whether he is there, in the family of `self`, if he has an address of it.
[[nodiscard]] IpAddress probeAddressOf(const Announcement& one, const IpAddress& self);

/// Where to ask each node whether it is there, in the family of `inputs.address`.
[[nodiscard]] std::set<IpAddress> probeAddresses(const PictureInputs& inputs);

}  // namespace twill::bgp
