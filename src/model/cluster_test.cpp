// SPDX-License-Identifier: Apache-2.0
#include "model/cluster.hpp"

#include <algorithm>
#include <chrono>
#include <random>

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace twill;

namespace {

NetworkConfig dualStack() {
  return *parseNetworkConfig(
      R"({"Network":"172.16.0.0/16","EnableIPv6":true,"IPv6Network":"fd42::/56","Backend":{"Type":"host-gw"}})");
}

Lease lease(std::string node, std::string_view address, std::string_view subnet) {
  return {.node = std::move(node), .subnet = *Prefix::parse(subnet), .publicIp = *IpAddress::parse(address)};
}

SoundCluster sound(std::vector<Lease> leases) {
  return makeSound({.network = dualStack(), .leases = std::move(leases)});
}

bool collide(const Lease& a, const Lease& b) {
  auto overlap = [](const auto& x, const auto& y) { return x && y && x->overlaps(*y); };
  auto same = [](const auto& x, const auto& y) { return x && y && *x == *y; };
  return (!a.node.empty() && a.node == b.node) || same(a.publicIp, b.publicIp) ||
         same(a.publicIp6, b.publicIp6) || overlap(a.subnet, b.subnet) || overlap(a.subnet6, b.subnet6);
}

/// A few nodes, addresses and subnets of all lengths, so that most leases collide with some other.
std::vector<Lease> randomLeases(std::mt19937& random, int n) {
  auto below = [&](unsigned limit) { return random() % limit; };
  auto net4 = *Prefix::parse("172.16.0.0/16");
  auto net6 = *Prefix::parse("fd42::/56");
  std::vector<Lease> leases;
  for (int i = 0; i < n; ++i) {
    Lease l;
    if (below(8) != 0) l.node = fmt::format("node{}", below(static_cast<unsigned>(n)));
    int length4 = 16 + static_cast<int>(below(17));
    int length6 = 56 + static_cast<int>(below(17));
    if (below(4) != 0) l.subnet = net4.subnet(length4, below(1U << (length4 - 16)));
    if (below(16) == 0) l.subnet = Prefix::parse("10.0.0.0/16")->subnet(24, below(9));  // outside
    if (below(4) == 0) l.subnet6 = net6.subnet(length6, below(1U << (length6 - 56)));
    if (below(5) != 0) l.publicIp = IpAddress::fromV4(0x0a000000U + below(64));
    if (below(5) == 0) l.publicIp6 = IpAddress::parse("fd00::")->plus(below(16));
    if (!l.name().empty()) leases.push_back(l);
  }
  return leases;
}

}  // namespace

TEST_CASE("a lease is named by its node, else its address, else its subnet") {
  Lease l = lease("node1", "10.0.0.10", "172.16.0.0/24");
  CHECK(l.name() == "node1");
  l.node.clear();
  CHECK(l.name() == "10.0.0.10");
  l.publicIp.reset();
  CHECK(l.name() == "172.16.0.0/24");
}

TEST_CASE("a sound cluster stays as it is, sorted by subnet") {
  auto s = sound({lease("b", "10.0.0.1", "172.16.1.0/24"), lease("a", "10.0.0.2", "172.16.0.0/24")});
  CHECK(s.conflicts.empty());
  REQUIRE(s.cluster.leases.size() == 2);
  CHECK(s.cluster.leases[0].node == "a");
}

TEST_CASE("of two leases on one subnet the lower public address stays, and both are named") {
  auto s = sound({lease("node1", "10.0.0.20", "172.16.0.0/24"), lease("node2", "10.0.0.3", "172.16.0.0/24")});
  REQUIRE(s.conflicts.size() == 1);
  CHECK(s.conflicts[0].loser == "node1");
  CHECK(s.conflicts[0].winner == "node2");
  CHECK(s.conflicts[0].text ==
        "node2 (172.16.0.0/24 at 10.0.0.3) and node1 (172.16.0.0/24 at 10.0.0.20) have overlapping subnets; "
        "node2 stays "
        "because its public address is lower, the other is set aside: correct or remove it");
  CHECK(s.cluster.leases.size() == 1);
}

TEST_CASE("subnets of different lengths collide in both directions") {
  auto wide = lease("wide", "10.0.0.1", "172.16.0.0/20");
  auto narrow = lease("narrow", "10.0.0.2", "172.16.3.0/24");
  CHECK(sound({wide, narrow}).cluster.leases == std::vector{wide});
  std::swap(wide.publicIp, narrow.publicIp);
  CHECK(sound({wide, narrow}).cluster.leases == std::vector{narrow});
}

TEST_CASE("one node twice, or one address twice, is a conflict") {
  auto twice = sound({lease("a", "10.0.0.1", "172.16.0.0/24"), lease("a", "10.0.0.2", "172.16.1.0/24")});
  REQUIRE(twice.conflicts.size() == 1);
  CHECK(twice.conflicts[0].text.find("two leases of one node") != std::string::npos);
  auto shared = sound({lease("a", "10.0.0.1", "172.16.1.0/24"), lease("b", "10.0.0.1", "172.16.0.0/24")});
  REQUIRE(shared.conflicts.size() == 1);
  CHECK(shared.conflicts[0].loser == "b");
  CHECK(shared.conflicts[0].text.find("the same public address; a stays because its name is lower") !=
        std::string::npos);
  auto same = lease("a", "10.0.0.1", "172.16.0.0/24");
  CHECK(sound({same, same}).cluster.leases == std::vector{same});
}

TEST_CASE("a lease that was set aside takes nobody with it") {
  auto s = sound({lease("a", "10.0.0.1", "172.16.0.0/24"), lease("b", "10.0.0.2", "172.16.0.0/23"),
                  lease("c", "10.0.0.3", "172.16.1.0/24")});
  CHECK(s.cluster.leases.size() == 2);
  REQUIRE(s.conflicts.size() == 1);
  CHECK(s.conflicts[0].loser == "b");
}

TEST_CASE("a subnet outside the network is set aside alone") {
  auto s = sound({lease("a", "10.0.0.1", "192.168.0.0/24"), lease("b", "10.0.0.2", "172.16.0.0/15")});
  CHECK(s.cluster.leases.empty());
  REQUIRE(s.conflicts.size() == 2);
  CHECK(s.conflicts[0].winner.empty());
  CHECK(s.conflicts[0].text.find("192.168.0.0/24 lies outside the network 172.16.0.0/16") !=
        std::string::npos);
}

TEST_CASE("an address that no node can have is named and left out, and the rest of the lease stays") {
  for (const auto& [address, reason] :
       {std::pair{"0.0.0.0", "is no address"},
        {"127.0.0.1", "is a loopback address, which each node has for itself"},
        {"224.0.0.1", "is a multicast address"},
        {"255.255.255.255", "is the broadcast address"},
        {"172.16.9.9", "lies in the network 172.16.0.0/16, which is the containers'"},
        {"::", "is no address"},
        {"::1", "is a loopback address, which each node has for itself"},
        {"ff02::1", "is a multicast address"},
        {"::ffff:10.0.0.7", "is an IPv4 address written as an IPv6 one"},
        {"fd42::7", "lies in the network fd42::/56, which is the containers'"}}) {
    const auto bad = *IpAddress::parse(address);
    Lease wrong = lease("b", "10.0.0.2", "172.16.1.0/24");
    (bad.isV4() ? wrong.publicIp : wrong.publicIp6) = bad;
    const Lease other = lease("a", "10.0.0.1", "172.16.0.0/24");
    const auto s = sound({other, wrong});
    (bad.isV4() ? wrong.publicIp : wrong.publicIp6).reset();
    CHECK(s.cluster.leases == std::vector{other, wrong});
    CHECK(s.conflicts.empty());
    REQUIRE(s.badAddresses.size() == 1);
    CHECK(s.badAddresses[0].lease == "b");
    CHECK(s.badAddresses[0].text.find(
              fmt::format("its address {} {}; correct or remove it", address, reason)) != std::string::npos);
  }
}

TEST_CASE("a lease has no better right by an address that no node can have") {
  const Lease wrong = lease("a", "0.0.0.0", "172.16.0.0/24");
  const Lease right = lease("b", "10.0.0.1", "172.16.0.0/16");
  CHECK(sound({wrong, right}).cluster.leases == std::vector{right});
}

TEST_CASE("a family that is off is left out, and a lease that has no other is set aside") {
  Lease both = lease("a", "10.0.0.1", "172.16.0.0/24");
  both.subnet6 = *Prefix::parse("fd42::/64");
  Lease old = lease("b", "10.0.0.2", "172.16.1.0/24");
  auto network = *parseNetworkConfig(R"({"EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"fd42::/56"})");
  auto s = makeSound({.network = network, .leases = {both, old}});
  both.subnet.reset();
  CHECK(s.cluster.leases == std::vector{both});
  REQUIRE(s.conflicts.size() == 1);
  CHECK(s.conflicts[0].text.find("172.16.1.0/24 is IPv4, which the network config switches off") !=
        std::string::npos);
}

TEST_CASE("random clusters: sound, none set aside without cause, whatever the order, and stable") {
  std::mt19937 random(20261124);
  for (int round = 0; round < 400; ++round) {
    auto leases = randomLeases(random, 2 + round / 4);
    auto s = sound(leases);
    const auto& kept = s.cluster.leases;
    REQUIRE(kept.size() + s.conflicts.size() == leases.size());
    for (std::size_t i = 0; i < kept.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) REQUIRE_FALSE(collide(kept[i], kept[j]));
    }
    for (const Lease& l : leases) {
      if (std::find(kept.begin(), kept.end(), l) != kept.end()) continue;
      if (l.subnet && !dualStack().v4->network.contains(*l.subnet)) continue;
      REQUIRE(std::any_of(kept.begin(), kept.end(), [&](const Lease& k) { return collide(k, l); }));
    }
    std::shuffle(leases.begin(), leases.end(), random);
    auto shuffled = sound(leases);
    REQUIRE(shuffled.cluster == s.cluster);
    REQUIRE(shuffled.conflicts == s.conflicts);
    auto again = makeSound(s.cluster);
    REQUIRE(again.cluster == s.cluster);
    REQUIRE(again.conflicts.empty());
  }
}

TEST_CASE("many leases inside one big loser, and many equal ones, stay cheap") {
  std::vector<Lease> leases;
  for (unsigned i = 0; i < 20000; ++i) {
    auto prefix =
        i % 2 == 0 ? Prefix::parse("172.16.0.0/16")->subnet(31, i) : *Prefix::parse("172.16.0.0/16");
    leases.push_back(
        {.node = fmt::format("n{}", i), .subnet = prefix, .publicIp = IpAddress::fromV4(1000000 - i)});
  }
  auto start = std::chrono::steady_clock::now();
  auto s = sound(leases);
  CHECK(s.cluster.leases.size() == 1);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(30));
}
