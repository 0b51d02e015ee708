// SPDX-License-Identifier: Apache-2.0
#include "model/cluster.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "model/lease_conflicts.hpp"

namespace twill {
namespace {

/// A subnet of a family that the network has switched off is not looked at, unless it is all there is.
void dropUnusedFamily(const NetworkConfig& network, Lease& lease) {
  if (!lease.subnet || !lease.subnet6) return;
  if (!network.v4) lease.subnet.reset();
  if (!network.v6) lease.subnet6.reset();
}

/// Before leases are compared: whoever cannot be reached has no better right.
void dropBadAddresses(const NetworkConfig& network, Lease& lease, std::vector<BadAddress>& out) {
  for (auto* address : {&lease.publicIp, &lease.publicIp6}) {
    if (!*address) continue;
    const auto reason = reasonAgainstAddress(**address, network);
    if (reason.empty()) continue;
    out.push_back({.lease = lease.name(),
                   .text = fmt::format("{}: its address {} {}; correct or remove it", described(lease),
                                       (*address)->text(), reason)});
    address->reset();
  }
}

std::optional<LeaseConflict> outsideNetwork(const NetworkConfig& network, const Lease& lease) {
  for (const auto& subnet : {lease.subnet, lease.subnet6}) {
    if (!subnet) continue;
    const FamilyConfig* family = network.family(subnet->family());
    if (family != nullptr && family->network.contains(*subnet)) continue;
    std::string_view ipVersion = subnet->isV4() ? "IPv4" : "IPv6";
    std::string reason = family == nullptr
                             ? fmt::format("is {}, which the network config switches off", ipVersion)
                             : "lies outside the network " + family->network.text();
    return LeaseConflict{.loser = lease.name(),
                         .winner = "",
                         .text = fmt::format("{}: {} {}; it is set aside: correct or remove it",
                                             described(lease), subnet->text(), reason)};
  }
  return std::nullopt;
}

bool comesFirst(const Lease& a, const Lease& b) {
  if (a.subnet != b.subnet) return a.subnet < b.subnet;
  return a.subnet6 != b.subnet6 ? a.subnet6 < b.subnet6 : a < b;
}

}  // namespace

bool Lease::isOf(std::string_view name, const std::optional<IpAddress>& address,
                 const std::optional<IpAddress>& address6) const {
  if (!node.empty()) return node == name;
  return publicIp ? publicIp == address : publicIp6 && publicIp6 == address6;
}

std::string Lease::name() const {
  if (!node.empty()) return node;
  for (const auto& address : {publicIp, publicIp6}) {
    if (address) return address->text();
  }
  for (const auto& prefix : {subnet, subnet6}) {
    if (prefix) return prefix->text();
  }
  return {};
}

std::string reasonAgainstAddress(const IpAddress& address, const NetworkConfig& network) {
  if (address.isUnspecified()) return "is no address";
  if (address.isLoopback()) return "is a loopback address, which each node has for itself";
  if (address.isMulticast()) return "is a multicast address";
  if (address.isBroadcast()) return "is the broadcast address";
  if (address.isMappedV4()) return "is an IPv4 address written as an IPv6 one";
  const auto* family = network.family(address.family());
  if (family == nullptr || !family->network.contains(address)) return {};
  return fmt::format("lies in the network {}, which is the containers'", family->network.text());
}

SoundCluster makeSound(Cluster cluster) {
  SoundCluster sound{.cluster = std::move(cluster), .conflicts = {}, .badAddresses = {}};
  auto& leases = sound.cluster.leases;
  for (Lease& lease : leases) {
    dropUnusedFamily(sound.cluster.network, lease);
    dropBadAddresses(sound.cluster.network, lease, sound.badAddresses);
  }
  std::sort(sound.badAddresses.begin(), sound.badAddresses.end());
  std::erase_if(leases, [&](const Lease& lease) {
    auto conflict = outsideNetwork(sound.cluster.network, lease);
    if (conflict) sound.conflicts.push_back(std::move(*conflict));
    return conflict.has_value();
  });
  setAsideRivals(leases, sound.conflicts);
  if (!std::is_sorted(leases.begin(), leases.end(), comesFirst)) {
    std::sort(leases.begin(), leases.end(), comesFirst);
  }
  std::sort(sound.conflicts.begin(), sound.conflicts.end());
  return sound;
}

}  // namespace twill
