// SPDX-License-Identifier: Apache-2.0
#include "backend/senders.hpp"

#include <array>
#include <set>

#include <fmt/format.h>

#include "backend/peers.hpp"
#include "plan/words.hpp"

namespace twill {
namespace {

constexpr int kUdpHeader = 8;

struct FamilyWords {
  const char* ip;        ///< the header's keyword
  const char* protocol;  ///< nft's number of the family (meta nfproto)
  int version;           ///< first four bits of the inner packet
  int source;            ///< bytes before the source address in its header (RFC 791, RFC 8200)
  const char* sets;
  const char* counter;
  int etherType;  ///< IEEE 802
};
constexpr FamilyWords kWords4{"ip", "ipv4", 4, 12, "senders4", "strangers4", 0x800};
constexpr FamilyWords kWords6{"ip6", "ipv6", 6, 8, "senders6", "strangers6", 0x86dd};

/// " & 4294967040" for 24 bits of IPv4.
std::string maskWords(Family family, int length) {
  std::array<std::uint8_t, 16> ones{};
  ones.fill(0xff);
  const auto all = IpAddress::fromBytes({ones.data(), family == Family::v4 ? 4U : 16U});
  return length == all.bits() ? "" : " & " + numberWord(Prefix(all, length).address());
}

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

void admitSenders(const SenderFields& fields, const std::vector<Sender>& senders, const std::string& arriving,
                  Firewall& table, Firewall::Chain& chain, KernelState& out) {
  const auto ip = fields.outer == Family::v4 ? "ip" : "ip6";
  const auto looked =
      fmt::format("{} saddr . @th,{},{}", ip, fields.source, fields.inner == Family::v4 ? 32 : 128);
  const auto setOf = [&](int length) { return fmt::format("{}_{}", fields.sets, length); };
  std::set<int> lengths;
  for (const auto& [outer, inner, owner] : senders) {
    lengths.insert(inner.length());
    out.put(SetElement{.table = table.table,
                       .set = setOf(inner.length()),
                       .key = fmt::format("{} . {}", outer.text(), numberWord(inner.address())),
                       .data = "",
                       .owner = owner});
  }
  for (const int length : lengths) {
    table.sets[setOf(length)] = {
        .type = fields.outer == Family::v4 ? "ipv4_addr . integer" : "ipv6_addr . integer",
        .apart = true,
        .declared = "typeof " + looked};
    chain.rules.push_back(
        fmt::format("{} {}{} @{} accept", arriving, looked, maskWords(fields.inner, length), setOf(length)));
  }
}

void admitPeers(const TunnelPort& tunnel, const Cluster& cluster, const Self& self, KernelState& out) {
  const auto& words = tunnel.family == Family::v4 ? kWords4 : kWords6;
  std::vector<Sender> senders;
  for (const auto& peer : cluster.leases) {
    const auto& address = peer.publicIpOf(tunnel.family);
    const auto& subnet = peer.subnetOf(tunnel.family);
    if (!address || !subnet || isOwn(peer, self) || isOwnAddress(*address, self)) continue;
    // The node itself answers containers from its own address.
    for (const auto& inner : {*subnet, Prefix::host(*address)})
      senders.push_back({*address, inner, peer.name()});
  }

  auto& table = tableIn(out, self);
  auto& chain = table.chains["tunnel"];
  chain.hook = "type filter hook input priority filter";
  auto arriving = fmt::format("meta nfproto {} udp dport {}", words.protocol, tunnel.port);
  // RFC 7348, 5. What is for no network of this node finds no device.
  if (!self.network.empty()) arriving += fmt::format(" @th,96,24 {:#x}", tunnel.vni);
  const int inner = (kUdpHeader + tunnel.headers) * 8;
  // By the type, too: the kernel would take off VLAN tags, and the address be somewhere else. And by the
  // version, which is what programs go by.
  const auto typed = fmt::format("{} @th,{},16 {:#x} @th,{},4 {}", arriving, inner - 16, words.etherType,
                                 inner, words.version);
  admitSenders({.sets = words.sets,
                .outer = tunnel.family,
                .inner = tunnel.family,
                .source = inner + words.source * 8},
               senders, typed, table, chain, out);
  table.counters.insert(words.counter);
  chain.rules.push_back(fmt::format("{} counter name {} drop", arriving, words.counter));

  keepContainersOut(tunnel, cluster, self, out);
}

}  // namespace twill
