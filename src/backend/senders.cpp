// SPDX-License-Identifier: Apache-2.0
#include "backend/senders.hpp"

#include <fmt/format.h>

#include "backend/peers.hpp"
#include "plan/words.hpp"

namespace twill {
namespace {

constexpr int kUdpHeader = 8;

struct FamilyWords {
  const char* ip;        ///< the header's keyword
  const char* protocol;  ///< nft's number of the family (meta nfproto)
  const char* type;      ///< of the set
  int version;           ///< first four bits of the inner packet
  int source;            ///< bytes before the source address in its header (RFC 791, RFC 8200)
  const char* set;
  const char* counter;
  int etherType;  ///< IEEE 802
};
constexpr FamilyWords kWords4{"ip", "ipv4", "ipv4_addr . integer", 4, 12, "senders4", "strangers4", 0x800};
constexpr FamilyWords kWords6{"ip6", "ipv6", "ipv6_addr . integer", 6, 8, "senders6", "strangers6", 0x86dd};

}  // namespace

void keepContainersOut(const TunnelPort& tunnel, const Cluster& cluster, const Self& self, KernelState& out) {
  const auto& words = tunnel.family == Family::v4 ? kWords4 : kWords6;
  auto& table = tableIn(out, self);
  table.counters.insert(words.counter);
  auto& forward = table.chains["tunnel_forward"];
  forward.hook = "type filter hook forward priority filter";
  // Towards the node's other networks, too, the port is the containers' own.
  std::string outside;
  for (const Prefix& other : self.otherNetworks) {
    if (other.family() == tunnel.family) outside += fmt::format(" {} daddr != {}", words.ip, other.text());
  }
  forward.rules.push_back(
      fmt::format("iifname \"tw*\" udp dport {} {} daddr != {}{} counter name {} drop", tunnel.port, words.ip,
                  cluster.network.family(tunnel.family)->network.text(), outside, words.counter));
}

void admitPeers(const TunnelPort& tunnel, const Cluster& cluster, const Self& self, KernelState& out) {
  const auto& words = tunnel.family == Family::v4 ? kWords4 : kWords6;
  const int inner = (kUdpHeader + tunnel.headers) * 8;
  const auto sender = fmt::format("{} saddr . @th,{},{}", words.ip, inner + words.source * 8,
                                  tunnel.family == Family::v4 ? 32 : 128);
  auto& table = tableIn(out, self);
  table.sets[words.set] = {
      .type = words.type, .flags = "interval", .elements = {}, .apart = true, .declared = "typeof " + sender};
  auto& chain = table.chains["tunnel"];
  chain.hook = "type filter hook input priority filter";
  auto arriving = fmt::format("meta nfproto {} udp dport {}", words.protocol, tunnel.port);
  // RFC 7348, 5. What is for no network of this node finds no device.
  if (!self.network.empty()) arriving += fmt::format(" @th,96,24 {:#x}", tunnel.vni);
  // By the type, too: the kernel would take off VLAN tags, and the address be somewhere else.
  chain.rules.push_back(fmt::format("{} @th,{},16 {:#x} @th,{},4 {} {} @{} accept", arriving, inner - 16,
                                    words.etherType, inner, words.version, sender, words.set));
  table.counters.insert(words.counter);
  chain.rules.push_back(fmt::format("{} counter name {} drop", arriving, words.counter));

  keepContainersOut(tunnel, cluster, self, out);

  for (const auto& peer : cluster.leases) {
    const auto& address = peer.publicIpOf(tunnel.family);
    const auto& subnet = peer.subnetOf(tunnel.family);
    if (!address || !subnet || isOwn(peer, self) || isOwnAddress(*address, self)) continue;
    // The node itself answers containers from its own address.
    for (const auto& source : {rangeWord(*subnet), numberWord(*address)}) {
      out.put(SetElement{.table = table.table,
                         .set = words.set,
                         .key = fmt::format("{} . {}", address->text(), source),
                         .data = "",
                         .owner = peer.name()});
    }
  }
}

}  // namespace twill
