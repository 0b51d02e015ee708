// SPDX-License-Identifier: Apache-2.0
#include "tunnel/peer_table.hpp"

#include <doctest/doctest.h>

#include "tunnel/admission.hpp"
#include "tunnel/samples.hpp"

using namespace twill;
using namespace twill::tunnel;

namespace {

Peer peer(const char* name, const char* endpoint, std::initializer_list<const char*> prefixes) {
  Peer out{.name = name, .endpoint = *IpAddress::parse(endpoint), .prefixes = {}};
  for (const char* prefix : prefixes) out.prefixes.push_back(*Prefix::parse(prefix));
  return out;
}

std::string find(const PeerTable& table, const char* text) {
  const auto address = *IpAddress::parse(text);
  const Peer* found = table.find(address.family(), address.bytes().data());
  return found == nullptr ? "" : found->name;
}

}  // namespace

TEST_CASE("an address belongs to the longest prefix that holds it") {
  std::vector<Peer> peers;
  peers.push_back(peer("wide", "10.0.0.1", {"172.16.0.0/16", "fd42::/48", "10.0.0.1/32"}));
  peers.push_back(peer("narrow", "10.0.0.2", {"172.16.1.0/24", "fd42:0:0:1::/64", "10.0.0.2/32"}));
  peers.push_back(peer("late", "10.0.0.3", {"172.16.1.0/24"}));
  const PeerTable table(std::move(peers));
  CHECK(find(table, "172.16.0.9") == "wide");
  CHECK(find(table, "172.16.1.9") == "narrow");
  CHECK(find(table, "10.0.0.2") == "narrow");
  CHECK(find(table, "fd42::9") == "wide");
  CHECK(find(table, "fd42:0:0:1::9") == "narrow");
  CHECK(find(table, "172.17.0.1").empty());
  CHECK(find(table, "fd43::1").empty());
  CHECK(find(PeerTable(), "172.16.0.9").empty());
}

TEST_CASE("ten thousand peers are each found") {
  std::vector<Peer> peers;
  for (std::uint32_t i = 0; i < 10000; ++i)
    peers.push_back({.name = std::to_string(i),
                     .endpoint = {},
                     .prefixes = {Prefix(IpAddress::fromV4(0x0a000000 + i * 256), 24)}});
  const PeerTable table(std::move(peers));
  for (std::uint32_t i = 0; i < 10000; i += 7) {
    const auto address = IpAddress::fromV4(0x0a000000 + i * 256 + i % 256);
    const Peer* found = table.find(Family::v4, address.bytes().data());
    REQUIRE(found != nullptr);
    CHECK(found->name == std::to_string(i));
  }
}

TEST_CASE("the newest table is taken from the mailbox, once") {
  TableMailbox mailbox;
  auto mine = std::make_shared<const PeerTable>();
  const auto second = std::make_shared<const PeerTable>();
  mailbox.put(std::make_shared<const PeerTable>());
  mailbox.put(second);
  mailbox.take(mine);
  CHECK(mine == second);
  mailbox.take(mine);
  CHECK(mine == second);
  mailbox.put(second);  // and what nobody takes is not lost
}

TEST_CASE("only what is the sender's own, and for this node, comes out of the tunnel") {
  std::vector<Peer> peers;
  peers.push_back(peer("node1", "10.0.0.10", {"172.16.0.0/24", "10.0.0.10/32"}));
  peers.push_back(peer("node3", "10.0.0.30", {"172.16.2.0/24"}));
  const PeerTable table(std::move(peers));
  const auto packet = samples::udp(Family::v4, 1, 10);  // 172.16.0.2 to 172.16.1.2
  const auto judge = [&](const char* own, const char* sender) {
    const Admission admission{{*Prefix::parse(own)}};
    return admission.judge(*parseIp(packet), *IpAddress::parse(sender), table).verdict;
  };
  CHECK(judge("172.16.1.0/24", "10.0.0.10") == Verdict::admitted);
  CHECK(judge("172.16.1.0/24", "10.0.0.30") == Verdict::stranger);
  CHECK(judge("172.16.1.0/24", "10.0.0.99") == Verdict::stranger);
  CHECK(judge("172.16.5.0/24", "10.0.0.10") == Verdict::misdirected);
}
