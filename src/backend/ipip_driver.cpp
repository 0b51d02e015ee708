// SPDX-License-Identifier: Apache-2.0
#include "backend/ipip_driver.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "backend/peers.hpp"
#include "backend/senders.hpp"
#include "plan/network_names.hpp"
#include "plan/words.hpp"

namespace twill {
namespace {

constexpr const char* kOwner = "node";
constexpr const char* kCounter = "ipip_strangers";

/// Where the inner header has its addresses, in bits (RFC 791, RFC 8200), and the words of nft for it.
struct FamilyWords {
  int protocol;  ///< of the outer packet
  int bits, source, destination;
  const char* ip;
  const char* sets;
};
constexpr FamilyWords kWords4{4, 32, 96, 128, "ip", "ipip4"};
constexpr FamilyWords kWords6{41, 128, 64, 192, "ip6", "ipip6"};

/// What of this node is in that family.
std::vector<Prefix> ownOf(Family family, const Cluster& cluster, const Self& self) {
  auto all = prefixesOf(cluster.network, self.lease);
  std::erase_if(all, [&](const Prefix& prefix) { return prefix.family() != family; });
  return all;
}

/// What its devices have taken out of a packet for somebody else's tunnel ends here.
void keepToOwn(Family family, const std::vector<Prefix>& own, Firewall& table) {
  const auto& words = family == Family::v4 ? kWords4 : kWords6;
  std::vector<std::string> texts;
  texts.reserve(own.size());
  for (const Prefix& prefix : own)
    texts.push_back(prefix.length() == prefix.address().bits() ? prefix.address().text() : prefix.text());
  auto& taken = table.chains["ipip_prerouting"];
  taken.hook = "type filter hook prerouting priority raw";
  taken.rules.push_back(fmt::format("iifname \"{}\" {} daddr != {{ {} }} counter name {} drop",
                                    ipipDriverDevice(family), words.ip, fmt::join(texts, ", "), kCounter));
  if (family == Family::v4) return;
  // The driver has the route ::/96 by itself, and would send what is for ::192.0.2.1 to 192.0.2.1.
  auto& leaving = table.chains["ipip_postrouting"];
  leaving.hook = "type filter hook postrouting priority filter";
  leaving.rules.push_back(fmt::format("oifname \"{}\" ip6 daddr ::/96 drop", ipipDriverDevice(family)));
}

}  // namespace

const char* ipipDriverDevice(Family inner) {
  return inner == Family::v4 ? kIpipDriver4 : kIpipDriver6;
}

IpAddress ipipNextHop(Family inner, const IpAddress& node) {
  if (inner == Family::v4) return node;
  std::array<std::uint8_t, 16> bytes{};
  const auto last = node.bytes();
  std::copy(last.begin(), last.end(), bytes.end() - static_cast<std::ptrdiff_t>(last.size()));
  return IpAddress::fromBytes(bytes);
}

void addIpipDriver(Family inner, int mtu, const Self& self, KernelState& out) {
  out.put(Link{.name = ipipDriverDevice(inner),
               .kind = inner == Family::v4 ? LinkKind::ipip : LinkKind::sit,
               .alias = std::string(kAliasPrefix) + "ipip",
               .mtu = mtu,
               .ipTunnel = IpTunnel{.local = self.underlay.v4->address},
               .owner = kOwner});
}

void admitIpipPeers(Family inner, const Cluster& cluster, const Self& self, KernelState& out) {
  const auto& words = inner == Family::v4 ? kWords4 : kWords6;
  const auto own = ownOf(inner, cluster, self);
  std::vector<Sender> senders;
  for (const auto& peer : cluster.leases) {
    if (!peer.publicIp || isOwn(peer, self) || isOwnAddress(*peer.publicIp, self)) continue;
    for (const Prefix& prefix : prefixesOf(cluster.network, peer)) {
      if (prefix.family() == inner) senders.push_back({*peer.publicIp, prefix, peer.name()});
    }
  }
  const auto arriving = fmt::format("ip protocol {}", words.protocol);
  auto& table = tableIn(out, self);
  table.counters.insert(kCounter);
  auto& chain = table.chains["ipip_input"];
  chain.hook = "type filter hook input priority filter";
  admitSenders({.sets = words.sets, .outer = Family::v4, .inner = inner, .source = words.source}, senders,
               arriving, table, chain, out);
  for (const Prefix& prefix : own) {
    chain.rules.push_back(fmt::format("{} @th,{},{} {} counter name {} drop", arriving, words.destination,
                                      words.bits, rangeWord(prefix), kCounter));
  }
  keepToOwn(inner, own, table);
}

}  // namespace twill
