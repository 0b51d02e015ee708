// SPDX-License-Identifier: Apache-2.0
#include "agent/decision.hpp"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "backend/peers.hpp"
#include "ipam/subnet.hpp"

namespace twill {
namespace {

bool isOurs(const Lease& lease, const Inputs& inputs) {
  return lease.isOf(inputs.options.node, inputs.underlay.publicIp, inputs.underlay.publicIp6);
}

/// True when both leases are ours, one by name and one by address. Publishing makes one of them.
bool isOwnRivalry(const LeaseConflict& conflict, const Inputs& inputs) {
  const auto& [publicIp, publicIp6] = std::tie(inputs.underlay.publicIp, inputs.underlay.publicIp6);
  return (publicIp && conflict.winner == publicIp->text()) ||
         (publicIp6 && conflict.winner == publicIp6->text());
}

const Lease* ownLease(const Inputs& inputs) {
  const auto& leases = inputs.cluster.cluster.leases;
  auto found =
      std::find_if(leases.begin(), leases.end(), [&](const Lease& lease) { return isOurs(lease, inputs); });
  return found == leases.end() ? nullptr : &*found;
}

/// A person may write down a node and its address only, and leave the subnet to the node.
bool hasSubnet(const Lease& lease) {
  return lease.subnet || lease.subnet6;
}

/// A lease of this node as its backend wants it: what peers need to know of us.
Lease publication(const Backend& backend, const Inputs& inputs) {
  Lease lease{.node = inputs.options.node, .backendType = std::string(backend.type)};
  if (backend.publish != nullptr) backend.publish(inputs.cluster.cluster.network, lease);
  return lease;
}

/// True when the lease says where we are and covers the families of the network, so that nothing need be
/// written. A lease written by hand may leave out the backend's name.
bool isCurrent(const Lease& lease, const Backend& backend, const Inputs& inputs) {
  const NetworkConfig& network = inputs.cluster.cluster.network;
  bool v4 = !network.v4 || (lease.subnet && lease.publicIp == inputs.underlay.publicIp);
  bool v6 = !network.v6 || (lease.subnet6 && lease.publicIp6 == inputs.underlay.publicIp6);
  const Lease wanted = publication(backend, inputs);
  const bool typed = lease.backendType.empty() || lease.backendType == wanted.backendType;
  return v4 && v6 && typed && lease.backendData == wanted.backendData &&
         lease.backendV6Data == wanted.backendV6Data;
}

/// The subnets of the last lease that held or, after a restart, those that subnet.env knew. Not a mixture:
/// the file may be older than the lease.
NodeSubnets previousOf(const Inputs& inputs) {
  if (hasSubnet(inputs.last)) return {.v4 = inputs.last.subnet, .v6 = inputs.last.subnet6};
  NodeSubnets previous;
  if (inputs.previous.subnet) previous.v4 = inputs.previous.subnet->prefix();
  if (inputs.previous.subnet6) previous.v6 = inputs.previous.subnet6->prefix();
  return previous;
}

/// What stays in force while the datastore holds no lease of ours: the last one, or after a restart what
/// subnet.env remembers of it. Containers still use the gateway of that subnet.
Lease heldLease(const Inputs& inputs) {
  if (hasSubnet(inputs.last)) return inputs.last;
  NodeSubnets previous = previousOf(inputs);
  return {.node = inputs.options.node,
          .subnet = previous.v4,
          .subnet6 = previous.v6,
          .publicIp = inputs.underlay.publicIp,
          .publicIp6 = inputs.underlay.publicIp6};
}

Result<Lease> wantedLease(const Backend& backend, const Inputs& inputs) {
  const NetworkConfig& network = inputs.cluster.cluster.network;
  Cluster cluster = inputs.cluster.cluster;
  for (Lease& lease : cluster.leases) {
    if (isOurs(lease, inputs)) lease.node = inputs.options.node;  // it may know us by address only
  }
  TWILL_TRY(NodeSubnets subnets, chooseSubnets(cluster, inputs.options.node, previousOf(inputs)));
  Lease lease = publication(backend, inputs);
  lease.subnet = subnets.v4;
  lease.subnet6 = subnets.v6;
  if (network.v4) lease.publicIp = inputs.underlay.publicIp;
  if (network.v6) lease.publicIp6 = inputs.underlay.publicIp6;
  return lease;
}

/// flannel refuses such an address. It may work, when something answers ARP for it.
void notePublicAddresses(const Backend& backend, const Inputs& inputs, std::vector<std::string>& notices) {
  if (!backend.viaPublicAddress) return;
  const Underlay& underlay = inputs.underlay.underlay;
  auto note = [&](const std::optional<IpAddress>& address, const std::optional<InterfaceAddress>& own,
                  const char* option) {
    if (!address || (own && own->address == *address)) return;
    notices.push_back(
        fmt::format("{} is given out as this node's address but is not on {}: with backend {} peers "
                    "send straight to it; give {} this address, name another interface by --iface, or "
                    "leave {} out",
                    address->text(), underlay.link, backend.type, underlay.link, option));
  };
  const NetworkConfig& network = inputs.cluster.cluster.network;
  if (network.v4) note(inputs.underlay.publicIp, underlay.v4, "--public-ip");
  if (network.v6) note(inputs.underlay.publicIp6, underlay.v6, "--public-ipv6");
}

/// Peers would leave such an address out, so that it is not given out at all.
void checkOwnAddresses(const Inputs& inputs, std::vector<std::string>& problems) {
  const NetworkConfig& network = inputs.cluster.cluster.network;
  for (const auto& address : {inputs.underlay.publicIp, inputs.underlay.publicIp6}) {
    if (!address || network.family(address->family()) == nullptr) continue;
    const auto reason = reasonAgainstAddress(*address, network);
    if (reason.empty()) continue;
    problems.push_back(
        fmt::format("this node's address {} {}; name another interface by --iface, or another address by {}",
                    address->text(), reason, address->isV4() ? "--public-ip" : "--public-ipv6"));
  }
}

/// The network's backend and, while the cluster changes from one to another, those by which some node,
/// perhaps this one, is still reached: what is on its way to us is to arrive.
bool isInUse(const Backend& backend, const Inputs& inputs) {
  const Cluster& cluster = inputs.cluster.cluster;
  return backend.type == cluster.network.backend.type ||
         std::any_of(cluster.leases.begin(), cluster.leases.end(),
                     [&](const Lease& lease) { return lease.backendType == backend.type; });
}

/// What this backend wants. One that the network has no more is left as it was set up.
void addBackend(const Backend& backend, const Inputs& inputs, Decision& decision) {
  const Cluster& cluster = inputs.cluster.cluster;
  const BackendConfig* before = nullptr;
  if (inputs.setUps != nullptr && backend.type != cluster.network.backend.type) {
    if (const auto found = inputs.setUps->find(backend.type); found != inputs.setUps->end())
      before = &found->second;
  }
  if (before == nullptr) return backend.desired(cluster, decision.self, decision.desired);
  Cluster asBefore = cluster;
  asBefore.network.backend = *before;
  asBefore.network.backend.type = cluster.network.backend.type;
  backend.desired(asBefore, decision.self, decision.desired);
}

}  // namespace

Result<Decision> decide(const Inputs& inputs) {
  Decision decision;
  const NetworkConfig& network = inputs.cluster.cluster.network;
  TWILL_TRY(const Backend* backend, findBackend(network.backend.type));
  bool twice = false;
  for (const LeaseConflict& conflict : inputs.cluster.conflicts) {
    bool ours = conflict.loser == inputs.options.node;
    if (ours && isOwnRivalry(conflict, inputs)) {
      twice = true;
      continue;
    }
    (ours ? decision.problems : decision.desired.notices).push_back(conflict.text);
  }
  for (const auto& warning : inputs.cluster.cluster.warnings) decision.desired.notices.push_back(warning);
  Notices badAddresses;
  for (const auto& [lease, text] : inputs.cluster.badAddresses) {
    if (lease != inputs.options.node) badAddresses.add(text);  // our own is written anew
  }
  std::move(badAddresses).moveTo(decision.desired.notices, "addresses that no node can have");
  checkOwnAddresses(inputs, decision.problems);
  TWILL_TRY(decision.mtu, backend->mtu(network, inputs.underlay.underlay));

  const Lease* own = ownLease(inputs);
  bool lost = !decision.problems.empty();
  if (!lost && (own == nullptr || twice || !isCurrent(*own, *backend, inputs))) {
    auto wanted = wantedLease(*backend, inputs);
    if (wanted) {
      decision.publish = *wanted;
    } else {
      decision.problems.push_back(wanted.error().text);
    }
  }
  decision.leased = own != nullptr && hasSubnet(*own);
  decision.self = Self{.node = inputs.options.node,
                       .network = inputs.network,
                       .otherNetworks = inputs.otherNetworks,
                       .underlay = inputs.underlay.underlay,
                       .lease = decision.leased ? *own : heldLease(inputs),
                       .ipMasq = inputs.options.ipMasq,
                       .checksumOffload = chooseChecksumOffload(inputs.options.vxlanChecksumOffload,
                                                                inputs.underlay.underlay.link, inputs.driver),
                       .noIpipDriver = inputs.noIpipDriver,
                       .pathMtus = inputs.pathMtus};
  desiredNode(inputs.cluster.cluster, decision.self, decision.desired);
  for (const Backend& one : backends()) {
    const bool used = isInUse(one, inputs);
    if (used) decision.inUse.push_back(one.type);
    const auto& recent = inputs.recent;
    if (used || std::find(recent.begin(), recent.end(), one.type) != recent.end())
      addBackend(one, inputs, decision);
  }
  notePublicAddresses(*backend, inputs, decision.desired.notices);
  return decision;
}

}  // namespace twill
