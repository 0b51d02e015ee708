// SPDX-License-Identifier: Apache-2.0
#include "datastore/bgp/picture.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "datastore/bgp/bird_config.hpp"
#include "datastore/lease_data.hpp"

namespace twill::bgp {
namespace {

/// One node's subnets.
struct Owner {
  IpAddress announcer;
  std::string record;

  auto operator<=>(const Owner&) const = default;
};
struct Subnets {
  std::vector<Prefix> v4, v6;
};

bool isSubnet(const Prefix& prefix, const NetworkConfig& network) {
  const auto* family = network.family(prefix.family());
  return family != nullptr && prefix.length() == family->subnetLength && family->network.contains(prefix);
}

/// `strangers`: what was left out.
std::map<Owner, Subnets> ownersOf(const PictureInputs& inputs, std::vector<Prefix>& strangers) {
  std::map<Owner, Subnets> owners;
  for (const auto& [prefix, nextHop, record] : inputs.learned) {
    if (inputs.unfiltered && !isSubnet(prefix, inputs.network)) {
      strangers.push_back(prefix);
      continue;
    }
    Subnets& subnets = owners[{announcerOf(nextHop), record}];
    (prefix.isV4() ? subnets.v4 : subnets.v6).push_back(prefix);
  }
  return owners;
}

std::optional<Prefix> at(const std::vector<Prefix>& prefixes, std::size_t index) {
  return index < prefixes.size() ? std::optional(prefixes[index]) : std::nullopt;
}

Result<Lease> leaseOf(const Owner& owner, const std::optional<Prefix>& subnet,
                      const std::optional<Prefix>& subnet6, const NetworkConfig& network) {
  if (!owner.record.empty()) return leaseFrom(owner.record, subnet, subnet6);
  Lease lease{.node = {}, .subnet = subnet, .subnet6 = subnet6, .backendType = network.backend.type};
  (owner.announcer.isV4() ? lease.publicIp : lease.publicIp6) = owner.announcer;
  return lease;
}

IpAddress probeAddressOf(const Lease& lease, const IpAddress& announcer, const IpAddress& self) {
  return lease.publicIpOf(self.family()).value_or(announcer);
}

/// Each lease with where it is probed; and what cannot be read, to `refuse`.
template <class Take, class Refuse>
void forEachLease(const PictureInputs& inputs, Take take, Refuse refuse) {
  std::vector<Prefix> strangers;
  for (const auto& [owner, subnets] : ownersOf(inputs, strangers)) {
    for (std::size_t i = 0; i < std::max(subnets.v4.size(), subnets.v6.size()); ++i) {
      auto lease = leaseOf(owner, at(subnets.v4, i), at(subnets.v6, i), inputs.network);
      if (!lease) {
        refuse(fmt::format("what the node at {} tells of itself by BGP cannot be read: {}",
                           owner.announcer.text(), lease.error().text));
        break;
      }
      const IpAddress probed = probeAddressOf(*lease, owner.announcer, inputs.address);
      take(std::move(*lease), probed, owner.announcer);
    }
  }
  if (strangers.empty()) return;
  refuse(fmt::format(
      "routing table {} has what is no subnet of the network, {} is the first of {}: left alone; let "
      "the BGP daemon filter what it learns",
      kLearnedTable, strangers.front().text(), strangers.size()));
}

bool overlap(const std::optional<Prefix>& one, const std::optional<Prefix>& other) {
  return one && other && one->overlaps(*other);
}

/// A subnet of this node that another has announced, too, and keeps by the rule for all nodes, or that is not
/// in the network (any more): as if this node had none, so that it takes another. Two that chose one at the
/// same moment come to this.
void yieldOwn(const std::string& node, Cluster& cluster) {
  const Lease own = cluster.leases.front();
  const auto contested = [&own](const Lease& other) {
    return overlap(own.subnet, other.subnet) || overlap(own.subnet6, other.subnet6);
  };
  const auto isOutside = [&cluster](const std::optional<Prefix>& subnet) {
    const auto* network = subnet ? cluster.network.family(subnet->family()) : nullptr;
    return network != nullptr && !network->network.contains(*subnet);
  };
  if (!isOutside(own.subnet) && !isOutside(own.subnet6) &&
      std::none_of(cluster.leases.begin() + 1, cluster.leases.end(), contested))
    return;
  for (const auto& conflict : makeSound(cluster).conflicts) {
    if (conflict.loser != node) continue;
    cluster.warnings.push_back(conflict.text + "; this node takes another subnet");
    cluster.leases.erase(cluster.leases.begin());
    return;
  }
}

/// Who tells nothing of himself is no match for a node that does, whatever their addresses: a router that
/// announces what is a node's has it from that node, or is wrong.
void dropAnonymousClaims(Cluster& cluster) {
  std::map<Prefix, std::string> named;
  for (const Lease& lease : cluster.leases) {
    if (!lease.node.empty() && lease.subnet) named.emplace(*lease.subnet, lease.node);
    if (!lease.node.empty() && lease.subnet6) named.emplace(*lease.subnet6, lease.node);
  }
  const auto claims = [&](const std::optional<Prefix>& subnet, const Lease& lease) {
    const auto owner = subnet ? named.find(*subnet) : named.end();
    if (owner == named.end()) return false;
    cluster.warnings.push_back(fmt::format("{} announces {}, which is {}'s, and is not believed",
                                           lease.name(), subnet->text(), owner->second));
    return true;
  };
  std::erase_if(cluster.leases, [&](const Lease& lease) {
    return lease.node.empty() && (claims(lease.subnet, lease) || claims(lease.subnet6, lease));
  });
}

}  // namespace

Cluster pictureOf(const PictureInputs& inputs) {
  Cluster cluster{.network = inputs.network, .leases = {}, .warnings = {}};
  if (inputs.own) cluster.leases.push_back(*inputs.own);
  forEachLease(
      inputs,
      [&](Lease lease, const IpAddress& probed, const IpAddress& announcer) {
        if (inputs.dead.contains(probed)) return;
        if (lease.node == inputs.node) {
          cluster.warnings.push_back(
              fmt::format("the node at {} goes by this node's name, {}; give each its own by --node-name",
                          announcer.text(), inputs.node));
          return;
        }
        cluster.leases.push_back(std::move(lease));
      },
      [&](std::string why) { cluster.warnings.push_back(std::move(why)); });
  dropAnonymousClaims(cluster);
  if (inputs.own) yieldOwn(inputs.node, cluster);
  for (const auto& dead : inputs.dead)
    cluster.warnings.push_back(fmt::format(
        "the node at {} does not answer, and its routes are taken out until it does", dead.text()));
  return cluster;
}

IpAddress probeAddressOf(const Announcement& one, const IpAddress& self) {
  const IpAddress announcer = announcerOf(one.nextHop);
  const auto lease = leaseFrom(one.record, std::nullopt, std::nullopt);
  return lease ? probeAddressOf(*lease, announcer, self) : announcer;
}

std::set<IpAddress> probeAddresses(const PictureInputs& inputs) {
  std::set<IpAddress> out;
  forEachLease(
      inputs, [&](const Lease&, const IpAddress& probed, const IpAddress&) { out.insert(probed); },
      [](const std::string&) {});
  out.erase(inputs.address);
  return out;
}

}  // namespace twill::bgp
