// SPDX-License-Identifier: Apache-2.0
// aws-vpc and gce: the cloud's own route tables lead a subnet's packets to its node, so the kernel needs no
// route to a peer; the nodes' default route takes packets to the cloud's router. What is to be in the tables
// is handed to the room cloud.
#include <algorithm>

#include <fmt/format.h>

#include "backend/backend.hpp"
#include "backend/peers.hpp"

namespace twill {
namespace {

constexpr std::string_view kAws = "aws-vpc";
constexpr std::string_view kGce = "gce";

Result<int> mtu(const NetworkConfig& config, const Underlay& underlay) {
  return config.backend.mtu == 0 ? underlay.mtu : std::min(config.backend.mtu, underlay.mtu);
}

void desiredIn(std::string_view type, const Cluster& cluster, const Self& self, Desired& out) {
  CloudWish wish{
      .type = std::string(type), .node = self.node, .tables = cluster.network.backend.routeTableIds};
  if (self.underlay.v4) wish.local4 = self.underlay.v4->address;
  if (self.underlay.v6) wish.local6 = self.underlay.v6->address;
  for (const Family family : {Family::v4, Family::v6}) {
    const auto* network = cluster.network.family(family);
    if (network == nullptr) continue;
    wish.networks.push_back(*network);
    if (const auto& own = self.lease.subnetOf(family)) wish.own.push_back(*own);
    for (const Lease& lease : cluster.leases) {
      if (const auto& subnet = lease.subnetOf(family)) wish.leased.push_back(*subnet);
    }
  }
  for (const Lease& lease : cluster.leases) {
    if (isReachedBy(type, lease, cluster.network)) wish.colleagues.push_back(lease.name());
  }
  std::sort(wish.leased.begin(), wish.leased.end());
  std::sort(wish.colleagues.begin(), wish.colleagues.end());
  if (wish.own.empty() || (!wish.local4 && !wish.local6)) return;
  out.cloud = std::move(wish);
}

void desiredAws(const Cluster& cluster, const Self& self, Desired& out) {
  desiredIn(kAws, cluster, self, out);
}

void desiredGce(const Cluster& cluster, const Self& self, Desired& out) {
  desiredIn(kGce, cluster, self, out);
}

}  // namespace

extern const Backend awsVpc;
extern const Backend gce;
constinit const Backend awsVpc{.type = kAws, .mtu = mtu, .publish = nullptr, .desired = desiredAws};
constinit const Backend gce{.type = kGce, .mtu = mtu, .publish = nullptr, .desired = desiredGce};

}  // namespace twill
