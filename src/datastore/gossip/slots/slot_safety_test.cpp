// SPDX-License-Identifier: Apache-2.0
// No two nodes use one slot at once, in whole clusters with all that can happen to them. TWILL_SLOT_SEEDS
// says how many seeds are tried, for long runs; a failure names its seed.
#include <cstdlib>

#include "simulated_cluster.hpp"

using namespace twill;
using namespace twill::gossip;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

constexpr SimulatedCluster::Chances kRough{
    .loss = 300, .twice = 100, .late = 200, .crashBeforeSave = 300, .crashAfterSave = 100, .saveFails = 20};

std::uint64_t seedCount(std::uint64_t usual) {
  const char* asked = std::getenv("TWILL_SLOT_SEEDS");  // NOLINT(concurrency-mt-unsafe)
  return asked == nullptr ? usual : std::strtoull(asked, nullptr, 10);
}

/// Pools of 31, 63 and 127 slots.
std::string poolOf(std::uint64_t seed) {
  return fmt::format(R"({{"Network":"10.32.0.0/{}","SubnetLen":28,"Backend":{{"Type":"host-gw"}}}})",
                     23 - seed % 3);
}

void partition(SimulatedCluster& cluster) {
  const std::uint64_t groups = cluster.random() % 3 + 2;
  for (auto& node : cluster.nodes) node.group = static_cast<unsigned>(cluster.random() % groups);
}

/// `partitions`: of 1000, how often the cluster is cut into other parts.
void disturb(SimulatedCluster& cluster, unsigned partitions) {
  if (cluster.chance(partitions)) partition(cluster);
  for (std::size_t i = 0; i < cluster.nodes.size(); ++i) {
    if (cluster.nodes[i].keeper || cluster.nodes[i].gone || cluster.chance(500)) continue;
    if (cluster.chance(partitions)) cluster.nodes[i].group = static_cast<unsigned>(cluster.random() % 4);
    cluster.boot(i);
  }
  const std::size_t i = cluster.random() % cluster.nodes.size();
  auto& node = cluster.nodes[i];
  if (!node.keeper) return;
  switch (cluster.random() % 8) {
    case 0:
      return cluster.crash(i);
    case 1:
      node.wants = false;
      node.keeper->giveBack(cluster.now);
      return cluster.after(i);
    case 2:
      node.keeper->leave(cluster.now);
      return cluster.after(i);
    case 3:  // a machine is replaced by a new one
      cluster.kill(i);
      return cluster.boot(cluster.add());
    default:
      return cluster.want(i);
  }
}

bool agree(const SimulatedCluster& cluster) {
  std::optional<SlotTable> table;
  for (const auto& node : cluster.nodes) {
    if (!node.keeper) continue;
    if (table && !(*table == node.keeper->state().table)) return false;
    table = node.keeper->state().table;
  }
  return true;
}

/// All run, see each other and lose nothing any more.
void heal(SimulatedCluster& cluster) {
  cluster.chances = {};
  for (std::size_t i = 0; i < cluster.nodes.size(); ++i) {
    auto& node = cluster.nodes[i];
    node.group = 0;
    if (node.gone) continue;
    cluster.crash(i);  // one that was leaving comes back
    node.wants = true;
    cluster.boot(i);
  }
  cluster.run(minutes(20), seconds(5));
  // A write may just be on its way to the others.
  for (int i = 0; i < 3 && !agree(cluster); ++i) cluster.run(seconds(10));
}

/// One table everywhere, and nobody without a slot as long as there are any.
void checkHealed(const SimulatedCluster& cluster) {
  CHECK(agree(cluster));
  std::size_t without = 0;
  std::uint32_t free = 0;
  for (const auto& node : cluster.nodes) {
    if (!node.keeper) continue;
    if (!node.keeper->mine()) without++;
    free = 0;
    for (const Holding& holding : node.keeper->holdings()) free += holding.reachable ? holding.free : 0;
  }
  CHECK((without == 0 || free == 0));
}

}  // namespace

TEST_CASE("no slot is used by two nodes at once, whatever is lost, late, doubled, cut off or crashes") {
  for (std::uint64_t seed = 1; seed <= seedCount(10); ++seed) {
    CAPTURE(seed);
    SimulatedCluster cluster(poolOf(seed), seed);
    cluster.chances = kRough;
    const std::size_t count = 6 + seed % 7;
    for (std::size_t i = 0; i < count; ++i) cluster.boot(cluster.add());
    for (int step = 0; step < 150; ++step) {
      cluster.run(seconds(cluster.random() % 20));
      disturb(cluster, 400);
    }
    REQUIRE(cluster.duplicates == std::vector<std::string>());
    heal(cluster);
    REQUIRE(cluster.duplicates == std::vector<std::string>());
    checkHealed(cluster);
  }
}

TEST_CASE(
    "no slot is used by two nodes at once when dead nodes are removed, in several parts of the cluster") {
  for (std::uint64_t seed = 1; seed <= seedCount(10); seed += 3) {
    CAPTURE(seed);
    SimulatedCluster cluster(poolOf(seed), seed);
    cluster.chances = kRough;
    cluster.chances.crashBeforeSave = 100;
    for (std::size_t i = 0; i < 7; ++i) cluster.boot(cluster.add());
    for (int step = 0; step < 60; ++step) {
      cluster.run(minutes(cluster.random() % 20), seconds(20));
      disturb(cluster, 50);
      for (std::size_t i = 0; i < cluster.nodes.size(); ++i) {
        const auto& dead = cluster.nodes[cluster.random() % cluster.nodes.size()];
        if (!cluster.nodes[i].keeper || !dead.gone) continue;
        (void)cluster.nodes[i].keeper->remove(cluster.now, dead.id, true);
        cluster.after(i);
      }
    }
    REQUIRE(cluster.duplicates == std::vector<std::string>());
    heal(cluster);
    REQUIRE(cluster.duplicates == std::vector<std::string>());
    checkHealed(cluster);
  }
}
