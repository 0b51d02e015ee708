// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "backend/backend.hpp"

namespace twill {
namespace {

constexpr const char* kOwner = "node";

/// One family's words in nft's syntax and the names of its sets.
struct FamilyWords {
  Family family;
  const char* ip;         ///< the header's keyword
  const char* addrType;   ///< type of a set's elements
  const char* cluster;    ///< set: the cluster's network
  const char* nodes;      ///< set: every node's public address
  const char* multicast;  ///< RFC 5771, RFC 4291
};
constexpr FamilyWords kFamilies[] = {
    {Family::v4, "ip", "ipv4_addr", "cluster4", "nodes4", "224.0.0.0/4"},
    {Family::v6, "ip6", "ipv6_addr", "cluster6", "nodes6", "ff00::/8"},
};

void put(KernelState& state, std::string path, std::string value) {
  state.put(Sysctl{.path = std::move(path), .value = std::move(value), .owner = kOwner});
}

/// A node forwards. Reverse path filtering needs no setting: a container's packet arrives over the link that
/// the route back to it uses, so even the strict filter lets it pass. bridge-nf-call-* stay as they are,
/// since policy that others put on bridged packets may rely on them.
void addSettings(const Cluster& cluster, const Self& self, KernelState& state) {
  if (cluster.network.v4) put(state, "net/ipv4/ip_forward", "1");
  if (!cluster.network.v6) return;
  put(state, "net/ipv6/conf/all/forwarding", "1");
  // A forwarding node ignores router advertisements and would lose its default route when that runs out,
  // unless told otherwise (2). Where advertisements are off, or left to a network manager, they stay so.
  if (self.underlay.acceptsRa) put(state, "net/ipv6/conf/" + self.underlay.link + "/accept_ra", "2");
}

/// Each node masquerades its own containers and nobody else's: what a peer has sent on, or what comes in from
/// outside, keeps its source. Within the cluster nothing is masqueraded, neither towards containers nor
/// towards nodes: both are to see who really talks to them.
void addMasquerade(const FamilyWords& words, const Cluster& cluster, const Self& self, Firewall& table) {
  const auto* network = cluster.network.family(words.family);
  const auto& own = self.lease.subnetOf(words.family);
  if (network == nullptr || !own) return;

  std::vector<std::string> nodes;
  const auto addNode = [&](const Lease& lease) {
    if (const auto& address = lease.publicIpOf(words.family)) nodes.push_back(address->text());
  };
  addNode(self.lease);
  for (const auto& lease : cluster.leases) addNode(lease);
  std::sort(nodes.begin(), nodes.end());
  nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
  table.sets[words.cluster] = {words.addrType, "interval", {network->network.text()}};
  table.sets[words.nodes] = {words.addrType, "", std::move(nodes)};

  const auto fromOwn = fmt::format("{} saddr {}", words.ip, own->text());
  auto& rules = table.chains["postrouting"].rules;
  rules.push_back(fmt::format("{} {} daddr @{} return", fromOwn, words.ip, words.cluster));
  rules.push_back(fmt::format("{} {} daddr @{} return", fromOwn, words.ip, words.nodes));
  rules.push_back(fmt::format("{} {} daddr {} return", fromOwn, words.ip, words.multicast));
  rules.push_back(fmt::format("{} masquerade fully-random", fromOwn));
}

}  // namespace

void desiredNode(const Cluster& cluster, const Self& self, Desired& out) {
  addSettings(cluster, self, out.state);
  if (!self.ipMasq) return;
  auto& table = tableIn(out.state, self);
  auto& chain = table.chains["postrouting"];
  chain.hook = "type nat hook postrouting priority srcnat";
  // kube-proxy has marked these for its own masquerade (its KUBE-MARK-MASQ).
  chain.rules.push_back("meta mark & 0x00004000 == 0x00004000 return");
  for (const auto& words : kFamilies) addMasquerade(words, cluster, self, table);
}

}  // namespace twill
