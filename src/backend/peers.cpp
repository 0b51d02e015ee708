// SPDX-License-Identifier: Apache-2.0
#include "backend/peers.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

namespace twill {

bool isOwn(const Lease& lease, const Self& self) {
  if (!lease.node.empty() && !self.node.empty()) return lease.node == self.node;
  return (lease.publicIp && lease.publicIp == self.lease.publicIp) ||
         (lease.publicIp6 && lease.publicIp6 == self.lease.publicIp6);
}

bool isOwnAddress(const IpAddress& address, const Self& self) {
  const auto& underlay = self.underlay.addressOf(address.family());
  return address == self.lease.publicIpOf(address.family()) || (underlay && underlay->address == address);
}

bool isReachedBy(std::string_view type, const Lease& peer, const NetworkConfig& config) {
  const std::string& named = peer.backendType;
  return type == (named.empty() || !findBackend(named) ? config.backend.type : named);
}

std::string reasonAgainstPeer(const Lease& peer, Family family, const Self& self) {
  const std::string_view familyName = family == Family::v4 ? "IPv4" : "IPv6";
  const auto& address = peer.publicIpOf(family);
  if (!peer.backendType.empty() && !findBackend(peer.backendType)) {
    return fmt::format("its backend is {}; give all nodes the same network config", peer.backendType);
  }
  if (!address) {
    return fmt::format("its lease has no {0} address; set the node's public {0} address", familyName);
  }
  if (isOwnAddress(*address, self)) {
    return fmt::format("its address {} is this node's own; remove the stale lease or correct its address",
                       address->text());
  }
  if (self.underlay.addressOf(family)) return {};
  return fmt::format("{} here has no {} address to reach it from; add one", self.underlay.link, familyName);
}

std::vector<Prefix> prefixesOf(const NetworkConfig& config, const Lease& lease) {
  std::vector<Prefix> prefixes;
  for (const Family family : {Family::v4, Family::v6}) {
    if (config.family(family) == nullptr) continue;
    if (const auto& subnet = lease.subnetOf(family)) prefixes.push_back(*subnet);
    if (const auto& node = lease.publicIpOf(family)) prefixes.push_back(Prefix::host(*node));
  }
  return prefixes;
}

Route routeTo(const Lease& peer, const FamilyConfig& network, const Prefix& subnet) {
  Route route;
  route.dst = subnet;
  route.metric = routeMetric(network.network, subnet);
  route.owner = peer.name();
  return route;
}

Route directRoute(const Lease& peer, const FamilyConfig& network, const Prefix& subnet, const Self& self) {
  Route route = routeTo(peer, network, subnet);
  route.via = peer.publicIpOf(subnet.family());
  route.link = self.underlay.link;
  return route;
}

void Notices::add(std::string text) {
  if (texts_.size() < kLimit) {
    texts_.push_back(std::move(text));
  } else {
    ++omitted_;
  }
}

void Notices::moveTo(std::vector<std::string>& out, std::string_view what) && {
  std::move(texts_.begin(), texts_.end(), std::back_inserter(out));
  if (omitted_ > 0) out.push_back(fmt::format("and {} more {}", omitted_, what));
}

}  // namespace twill
