// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "backend/backend.hpp"
#include "plan/diff.hpp"

/// Small clusters for tests, with the addresses of the README's picture.
namespace twill::samples {

inline FamilyConfig family(std::string_view network, int subnetLength) {
  FamilyConfig config;
  config.network = *Prefix::parse(network);
  config.subnetLength = subnetLength;
  return config;
}

/// An empty text leaves the field out.
inline Lease lease(std::string node, std::string_view publicIp, std::string_view subnet,
                   std::string_view publicIp6 = "", std::string_view subnet6 = "") {
  Lease lease;
  lease.node = std::move(node);
  if (!publicIp.empty()) lease.publicIp = *IpAddress::parse(publicIp);
  if (!subnet.empty()) lease.subnet = *Prefix::parse(subnet);
  if (!publicIp6.empty()) lease.publicIp6 = *IpAddress::parse(publicIp6);
  if (!subnet6.empty()) lease.subnet6 = *Prefix::parse(subnet6);
  return lease;
}

/// Two nodes on one segment, dual stack.
inline Cluster twoNodes() {
  Cluster cluster;
  cluster.network.backend.type = "host-gw";
  cluster.network.v4 = family("172.16.0.0/16", 24);
  cluster.network.v6 = family("fd42::/56", 64);
  cluster.leases = {lease("node1", "10.0.0.10", "172.16.0.0/24", "fd00::10", "fd42::/64"),
                    lease("node2", "10.0.0.20", "172.16.1.0/24", "fd00::20", "fd42:0:0:1::/64")};
  return cluster;
}

/// node1 of twoNodes().
inline Self node1() {
  Self self;
  self.node = "node1";
  self.underlay.link = "eth0";
  self.underlay.v4 = *InterfaceAddress::parse("10.0.0.10/24");
  self.underlay.v6 = *InterfaceAddress::parse("fd00::10/64");
  self.lease = twoNodes().leases.front();
  return self;
}

/// The commands that an empty kernel needs, then the notices, each after "! ".
inline std::string text(const Desired& desired) {
  std::string out;
  for (const auto& operation : diff(desired.state, {}).operations) out += ipCommand(operation) + "\n";
  for (const auto& notice : desired.notices) out += "! " + notice + "\n";
  return out;
}

}  // namespace twill::samples
