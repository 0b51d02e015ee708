// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "datastore/gossip/simulation.hpp"

using namespace twill;
using namespace twill::gossip;
using namespace std::chrono_literals;

namespace {

std::string nameOf(int number) {
  return "n" + std::to_string(number);
}

/// `size` nodes that all know each other.
void build(Simulation& world, int size) {
  for (int i = 0; i < size; ++i) world.add(nameOf(i));
  for (int i = 1; i < size; ++i) world.join(world.node(nameOf(i)), "n0");
}

std::size_t living(Simulation& world, const std::string& name) {
  return world.node(name).count(MemberStatus::alive);
}

bool allSee(Simulation& world, std::size_t alive) {
  for (const auto& [name, node] : world.nodes()) {
    if (node->running && node->count(MemberStatus::alive) != alive) return false;
  }
  return true;
}

bool allSee(Simulation& world, const std::string& name, MemberStatus status) {
  for (const auto& [other, node] : world.nodes()) {
    if (node->running && other != name && node->status(name) != status) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("nodes that join one of them all know each other within seconds") {
  Simulation world(1);
  build(world, 50);
  CHECK(world.runUntil([&] { return allSee(world, 50); }, 10s) < 5s);
}

TEST_CASE("a node that dies is noticed by all, and one that leaves has left") {
  Simulation world(2);
  build(world, 20);
  world.run(5s);
  world.kill("n7");
  CHECK(world.runUntil([&] { return allSee(world, "n7", MemberStatus::failed); }, 60s) < 40s);
  world.node("n3").serf.leave(world.now);
  world.rouse(world.node("n3"));
  world.run(1s);
  world.kill("n3");
  CHECK(allSee(world, "n3", MemberStatus::left));
}

TEST_CASE("of three nodes a dead one is noticed in under 15 seconds") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Simulation world(seed);
    build(world, 3);
    world.run(5s);
    world.kill("n2");
    CHECK(world.runUntil([&] { return allSee(world, "n2", MemberStatus::failed); }, 60s) < 15s);
  }
}

TEST_CASE("a third of the packets lost, doubled and out of order makes nobody fail") {
  Simulation world(3);
  world.loss = 0.3;
  world.doubling = 0.1;
  world.jitter = 100ms;
  int failures = 0;
  build(world, 30);
  world.run(20s);
  for (const auto& [name, node] : world.nodes()) {
    node->onChange = [&](const SerfMember& member) { failures += member.status == MemberStatus::failed; };
  }
  world.run(10min);
  CHECK(failures == 0);
  CHECK(allSee(world, 30));
}

TEST_CASE("a new description reaches all, also from a node that was restarted") {
  Simulation world(4);
  build(world, 10);
  world.run(5s);
  const auto tagged = [&](const std::string& value) {
    for (const auto& [name, node] : world.nodes()) {
      if (parseTags(node->serf.members().at("n4").meta)["s4"] != value) return false;
    }
    return true;
  };
  REQUIRE(world.node("n4").serf.setTags(world.now, {{"s4", "10.32.1.0/24"}}));
  CHECK(world.runUntil([&] { return tagged("10.32.1.0/24"); }, 10s) < 2s);
  // Its own incarnation begins anew, and everybody knows a higher one.
  Simulation::Node& again = world.add("n4", {{"s4", "10.32.9.0/24"}});
  world.join(again, "n0");
  CHECK(world.runUntil([&] { return tagged("10.32.9.0/24"); }, 30s) < 3s);
  CHECK(again.count(MemberStatus::alive) == 10);
}

TEST_CASE("the halves of a cut cluster find each other again") {
  Simulation world(5);
  build(world, 10);
  world.run(5s);
  const auto half = [](const std::string& name) { return (name.back() - '0') % 2; };
  world.connected = [&](const std::string& a, const std::string& b) { return half(a) == half(b); };
  world.run(10min);
  CHECK(living(world, "n0") == 5);
  CHECK(world.node("n0").count(MemberStatus::failed) == 5);
  world.connected = {};
  CHECK(world.runUntil([&] { return allSee(world, 10); }, 60s) < 10s);
}

TEST_CASE("a node that only some can reach stays a member, and who has no direct way knows") {
  Simulation world(6);
  build(world, 6);
  world.run(5s);
  world.connected = [](const std::string& a, const std::string& b) {
    return !((a == "n0" && b == "n1") || (a == "n1" && b == "n0"));
  };
  world.run(60s);
  CHECK(allSee(world, 6));
  CHECK(world.node("n0").serf.membership().find("n1")->detours > 0);
  CHECK(world.node("n2").serf.membership().find("n1")->detours == 0);
}

TEST_CASE(
    "a node that moves to another address is followed at once, also by those who missed that in the end") {
  Simulation world(8);
  build(world, 6);
  world.run(5s);
  int failures = 0;
  for (const auto& [name, node] : world.nodes())
    node->onChange = [&](const SerfMember& member) { failures += member.status == MemberStatus::failed; };
  const Endpoint there{IpAddress::parse("10.1.0.1").value(), 7946};
  const auto follow = [&] {
    return std::all_of(world.nodes().begin(), world.nodes().end(), [&](const auto& node) {
      const auto& member = node.second->serf.members().at("n2");
      return member.status == MemberStatus::alive && member.endpoint == there;
    });
  };
  SUBCASE("all hear of it") {
    world.move("n2", there);
    CHECK(world.runUntil(follow, 60s) < 1s);
    CHECK(failures == 0);
  }
  SUBCASE("one does not") {
    world.connected = [](const std::string& a, const std::string& b) { return a != "n2" || b != "n3"; };
    world.move("n2", there);
    world.run(5ms);
    world.connected = {};
    CHECK(world.runUntil(follow, 120s) < 60s);
  }
  world.run(60s);
  CHECK(follow());
  for (const auto& [name, node] : world.nodes()) CHECK(node->conflicts <= 20);
}

TEST_CASE("a false accusation is refuted by the accused") {
  Simulation world(7);
  build(world, 5);
  world.run(5s);
  int failures = 0;
  for (const auto& [name, node] : world.nodes())
    node->onChange = [&](const SerfMember& member) { failures += member.status == MemberStatus::failed; };
  auto& accuser = world.node("n1");
  const auto incarnation = accuser.serf.membership().find("n2")->incarnation;
  accuser.serf.receive(world.now, Suspect{incarnation, "n2", "n1"}, {});
  world.rouse(accuser);
  world.run(60s);
  CHECK(failures == 0);
  CHECK(accuser.serf.membership().find("n2")->incarnation > incarnation);
}

TEST_CASE("a second node of one name is a conflict until the first one is gone") {
  Simulation world(8);
  build(world, 4);
  world.run(5s);
  auto& n0 = world.node("n0");
  const Endpoint elsewhere{IpAddress::fromV4(0x0a0000feU), 7946};
  n0.serf.receive(world.now, Alive{100, "n3", elsewhere, {}, kOurVersions}, elsewhere);
  CHECK(n0.conflicts == 1);
  CHECK(n0.serf.membership().find("n3")->endpoint != elsewhere);
  world.kill("n3");
  world.run(30s);
  REQUIRE(n0.status("n3") == MemberStatus::failed);
  n0.serf.receive(world.now, Alive{101, "n3", elsewhere, {}, kOurVersions}, elsewhere);
  CHECK(n0.serf.membership().find("n3")->endpoint == elsewhere);
}

TEST_CASE("an event reaches every node once") {
  Simulation world(9);
  world.loss = 0.2;
  world.doubling = 0.2;
  build(world, 30);
  world.run(10s);
  REQUIRE(world.node("n5").serf.sendEvent(world.now, "hello", "world"));
  world.rouse(world.node("n5"));
  world.run(60s);
  for (const auto& [name, node] : world.nodes())
    CHECK(node->events == std::vector<std::string>{"hello=world"});
}

TEST_CASE("a question is answered by all nodes, the one that asks too") {
  Simulation world(10);
  build(world, 12);
  world.run(10s);
  Serf::Answers answers;
  world.node("n5").serf.ask(world.now, "_serf_list-keys", "", [&](Serf::Answers all) { answers = all; });
  world.rouse(world.node("n5"));
  world.run(60s);
  CHECK(answers.asked == 12);
  CHECK(answers.acks.size() == 12);
  CHECK(answers.payloads.size() == 12);
}

TEST_CASE("what a node sends does not grow with the cluster") {
  const auto bytesPerSecond = [](int size) {
    Simulation world(11);
    build(world, size);
    world.run(60s);
    std::uint64_t before = 0, after = 0;
    for (const auto& [name, node] : world.nodes()) before += node->bytesSent;
    world.run(20s);
    for (const auto& [name, node] : world.nodes()) after += node->bytesSent;
    return static_cast<double>(after - before) / 20 / size;
  };
  CHECK(bytesPerSecond(100) < 3 * bytesPerSecond(20));
}

TEST_CASE("where all agree no states are exchanged, but with those that do not compare") {
  for (const bool compares : {true, false}) {
    Simulation world(11);
    build(world, 40);
    world.node("n7").compares = compares;  // false: as a stock Serf agent
    const auto exchanged = [&] {
      std::uint64_t bytes = 0;
      for (const auto& [name, node] : world.nodes()) bytes += node->bytesByStream;
      return bytes;
    };
    world.run(60s);
    const auto before = exchanged();
    world.run(10min);
    CHECK((exchanged() == before) == compares);
  }
}

TEST_CASE("a node that missed a rumour asks for it within seconds") {
  Simulation world(12);
  build(world, 40);
  world.run(60s);
  auto& changed = world.node("n3");
  world.connected = [](const std::string& from, const std::string& to) { return from != "n9" && to != "n9"; };
  REQUIRE(changed.serf.setTags(world.now, {{"role", "new"}}));
  world.rouse(changed);
  world.run(3s);
  const auto& seen = world.node("n9").serf.members().at("n3");
  REQUIRE(parseTags(seen.meta) != Tags{{"role", "new"}});
  world.connected = nullptr;
  CHECK(world.runUntil([&] { return parseTags(seen.meta) == Tags{{"role", "new"}}; }, 60s) < 10s);
}
