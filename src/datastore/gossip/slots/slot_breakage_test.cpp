// SPDX-License-Identifier: Apache-2.0
// What becomes of a cluster when what the slot table relies on is not so: a living node is removed, a disk is
// put back to an older state, a disk is copied. And what must not happen when it is so.
#include "simulated_cluster.hpp"

using namespace twill;
using namespace twill::gossip;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

constexpr seconds kStep{5};
using Kind = SlotWarning::Kind;

struct SmallCluster : SimulatedCluster {
  /// A pool of 15 slots.
  explicit SmallCluster(std::size_t count, std::uint64_t seed = 1)
      : SimulatedCluster(R"({"Network":"10.32.0.0/24","SubnetLen":28,"Backend":{"Type":"host-gw"}})", seed) {
    for (std::size_t i = 0; i < count; ++i) boot(add());
    run(minutes(3), kStep);
  }

  SlotKeeper& keeper(std::size_t i) { return *nodes[i].keeper; }
  void cutOff(std::vector<std::size_t> group) {
    for (const std::size_t i : group) nodes[i].group = 1;
  }
  void heal() {
    for (auto& node : nodes) node.group = 0;
    run(minutes(5), kStep);
  }
  [[nodiscard]] bool warns(std::size_t i, Kind kind) {
    const auto warnings = keeper(i).warnings();
    return std::any_of(warnings.begin(), warnings.end(), [&](const auto& one) { return one.kind == kind; });
  }
  [[nodiscard]] std::optional<std::size_t> userOf(std::uint32_t slot, unsigned group) {
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if (nodes[i].group == group && nodes[i].uses == slot) return i;
    }
    return std::nullopt;
  }
  /// New nodes in that group until one of them uses the slot.
  void addUntilUsed(std::uint32_t slot, unsigned group) {
    for (int i = 0; i < 16 && !userOf(slot, group); ++i) {  // as many as there are slots
      nodes[add()].group = group;
      boot(nodes.size() - 1);
      run(minutes(1), kStep);
    }
  }
  void checkOneOwner(std::uint32_t slot) {
    std::set<NodeId> owners;
    std::size_t users = 0;
    for (const auto& node : nodes) {
      if (!node.keeper) continue;
      owners.insert(node.keeper->state().table.at(slot).owner);
      if (node.uses == slot) users++;
    }
    CHECK(owners.size() == 1);
    CHECK(users == 1);
  }
};

}  // namespace

TEST_CASE("a living node that was removed shares its slot, until it hears of that and takes another") {
  SmallCluster cluster(4);
  const std::uint32_t slot = *cluster.keeper(1).mine();
  cluster.cutOff({1});
  cluster.run(minutes(11), kStep);
  REQUIRE(cluster.keeper(0).remove(cluster.now, cluster.nodes[1].id));
  cluster.after(0);
  cluster.run(minutes(61), kStep);
  cluster.addUntilUsed(slot, 0);
  REQUIRE(cluster.duplicates.size() == 1);

  cluster.heal();
  cluster.checkOneOwner(slot);
  CHECK(cluster.nodes[1].uses != slot);
  CHECK(cluster.keeper(1).mine().has_value());
  CHECK(cluster.keeper(1).state().generation == 2);
  CHECK(cluster.keeper(1).conflicts() == 1);
  CHECK(cluster.warns(1, Kind::fenced));
  CHECK(cluster.warns(1, Kind::conflict));
  CHECK(cluster.duplicates.size() == 1);

  cluster.run(minutes(11), kStep);
  CHECK_FALSE(cluster.warns(1, Kind::conflict));
}

TEST_CASE(
    "a disk that was put back gives slots away twice, one owner is agreed upon and the other takes another") {
  SmallCluster cluster(1);
  const std::string before = cluster.nodes[0].disk;
  cluster.boot(cluster.add());
  cluster.run(minutes(1), kStep);
  const std::uint32_t slot = *cluster.keeper(1).mine();
  cluster.cutOff({1});
  cluster.crash(0);
  cluster.nodes[0].disk = before;
  cluster.boot(0);
  cluster.run(seconds(40), kStep);  // as it knows, it is alone and always was
  cluster.addUntilUsed(slot, 0);
  REQUIRE(cluster.duplicates.size() == 1);
  const std::size_t other = *cluster.userOf(slot, 0);

  cluster.heal();
  cluster.checkOneOwner(slot);
  const std::size_t loser = cluster.nodes[1].uses == slot ? other : 1;
  CHECK(cluster.keeper(loser).conflicts() == 1);
  CHECK(cluster.warns(loser, Kind::conflict));
  CHECK(cluster.keeper(loser).mine().has_value());
  CHECK(cluster.duplicates.size() == 1);
}

TEST_CASE(
    "a node whose disk was put back uses no free slot before it has heard a peer, and none that it gave "
    "away") {
  SmallCluster cluster(1);
  const std::string before = cluster.nodes[0].disk;
  cluster.boot(cluster.add());
  cluster.boot(cluster.add());
  cluster.run(minutes(3), kStep);
  const std::uint32_t given = *cluster.keeper(1).mine();
  cluster.crash(0);
  cluster.nodes[0].disk = before;
  cluster.nodes[0].nextExchange = cluster.now;
  cluster.boot(0);
  for (int i = 0; i < 4; ++i) {
    cluster.boot(cluster.add());
    cluster.run(minutes(1), kStep);
  }
  CHECK(cluster.duplicates.empty());
  CHECK(cluster.warns(0, Kind::rolledBack));
  CHECK(cluster.keeper(0).state().table.at(given).owner == cluster.nodes[1].id);
}

TEST_CASE("a copy of a disk stops both from giving and taking slots, as long as both run") {
  SmallCluster cluster(3);
  const std::size_t copy = cluster.add();
  cluster.nodes[copy].id = cluster.nodes[1].id;
  cluster.boot(copy);
  cluster.run(minutes(1), kStep);
  CHECK(cluster.warns(1, Kind::copied));
  CHECK(cluster.warns(copy, Kind::copied));
  CHECK_FALSE(cluster.keeper(copy).mine());
  CHECK_FALSE(cluster.warns(0, Kind::copied));
  cluster.kill(copy);
  cluster.run(minutes(1), kStep);
  CHECK_FALSE(cluster.warns(1, Kind::copied));
}

// The two cases that a mere hour of rest would get wrong, with nobody removed that was not dead.

TEST_CASE("a removed node's slot stays unused while the one that got it from the dead is cut off") {
  SmallCluster cluster(3);
  cluster.cutOff({1, 2});
  cluster.crash(2);
  cluster.nodes[2].disk.clear();  // made anew: its old slot is nobody's matter here
  cluster.nodes[2].id.bytes[0] ^= 1U;
  cluster.nodes[2].uses.reset();
  cluster.boot(2);
  cluster.run(minutes(1), kStep);
  const std::uint32_t slot = *cluster.keeper(2).mine();
  REQUIRE(cluster.keeper(0).state().table.at(slot).owner == cluster.nodes[1].id);
  cluster.kill(1);
  cluster.run(minutes(11), kStep);
  REQUIRE(cluster.keeper(0).remove(cluster.now, cluster.nodes[1].id, true));
  cluster.after(0);
  cluster.run(hours(3), seconds(20));
  cluster.addUntilUsed(slot, 0);
  CHECK(cluster.duplicates.empty());
  CHECK(cluster.warns(0, Kind::resting));
  CHECK(cluster.keeper(0).state().table.at(slot).use == SlotUse::revoked);
}

TEST_CASE(
    "a dead node's slots stay unused while two parts of a cluster that have both removed it are apart") {
  SmallCluster cluster(5);
  const std::uint32_t slot = *cluster.keeper(4).mine();
  cluster.kill(4);
  cluster.run(minutes(11), kStep);
  cluster.cutOff({2, 3});
  for (const std::size_t remover : {std::size_t{0}, std::size_t{2}}) {
    REQUIRE(cluster.keeper(remover).remove(cluster.now, cluster.nodes[4].id, true));
    cluster.after(remover);
  }
  cluster.run(hours(2), seconds(20));
  cluster.addUntilUsed(slot, 0);
  cluster.addUntilUsed(slot, 1);
  CHECK(cluster.duplicates.empty());

  cluster.heal();
  cluster.run(hours(2), seconds(20));
  cluster.addUntilUsed(slot, 0);
  CHECK(cluster.duplicates.empty());
  cluster.checkOneOwner(slot);
}
