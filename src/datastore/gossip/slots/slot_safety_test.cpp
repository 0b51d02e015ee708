// SPDX-License-Identifier: Apache-2.0
// No two nodes use one slot at once, in whole clusters with all that can happen to them. TWILL_SLOT_SEEDS
// says how many seeds are tried, for long runs; a failure names its seed.
#include <cstdlib>

#include "datastore/gossip/slots/simulated_cluster.hpp"

using namespace twill;
using namespace twill::gossip;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

constexpr SimulatedCluster::Chances kRough{
    .loss = 300, .twice = 100, .late = 200, .crashBeforeSave = 60, .crashAfterSave = 60, .saveFails = 20};

std::uint64_t seedCount(std::uint64_t usual) {
  const char* asked = std::getenv("TWILL_SLOT_SEEDS");  // NOLINT(concurrency-mt-unsafe)
  return asked == nullptr ? usual : std::strtoull(asked, nullptr, 10);
}

/// Pools of 15, 31 and 63 slots.
std::string poolOf(std::uint64_t seed) {
  return fmt::format(R"({{"Network":"10.32.0.0/{}","SubnetLen":28,"Backend":{{"Type":"host-gw"}}}})",
                     24 - seed % 3);
}

void partition(SimulatedCluster& cluster) {
  const std::uint64_t groups = cluster.random() % 4 + 1;
  for (auto& node : cluster.nodes) node.group = static_cast<unsigned>(cluster.random() % groups);
}

void disturb(SimulatedCluster& cluster) {
  for (std::size_t i = 0; i < cluster.nodes.size(); ++i) {
    if (!cluster.nodes[i].keeper && !cluster.nodes[i].gone && cluster.chance(300)) cluster.boot(i);
  }
  const std::size_t i = cluster.random() % cluster.nodes.size();
  auto& node = cluster.nodes[i];
  if (!node.keeper) return;
  switch (cluster.random() % 8) {
    case 0:
      return cluster.crash(i);
    case 1:
    case 2:
      return partition(cluster);
    case 3:
      node.wants = false;
      node.keeper->giveBack(cluster.now);
      return cluster.after(i);
    case 4:
      node.keeper->leave(cluster.now);
      return cluster.after(i);
    default:
      return cluster.want(i);
  }
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
}

void checkAgreement(const SimulatedCluster& cluster) {
  const SlotKeeper* first = nullptr;
  std::size_t without = 0;
  for (const auto& node : cluster.nodes) {
    if (!node.keeper) continue;
    if (first == nullptr) first = node.keeper.get();
    CAPTURE(node.name);
    CHECK(node.keeper->state().cluster == first->state().cluster);
    CHECK(node.keeper->state().table == first->state().table);
    if (!node.keeper->mine()) without++;
  }
  std::uint32_t free = 0;
  for (const Holding& holding : first->holdings()) free += holding.reachable ? holding.free : 0;
  CHECK((without == 0 || free == 0));
}

}  // namespace

TEST_CASE("no slot is used by two nodes at once, whatever is lost, late, doubled, cut off or crashes") {
  for (std::uint64_t seed = 1; seed <= seedCount(20); ++seed) {
    CAPTURE(seed);
    SimulatedCluster cluster(poolOf(seed), seed);
    cluster.chances = kRough;
    const std::size_t count = 6 + seed % 7;
    for (std::size_t i = 0; i < count; ++i) cluster.boot(cluster.add());
    for (int step = 0; step < 150; ++step) {
      cluster.run(seconds(cluster.random() % 20));
      disturb(cluster);
    }
    REQUIRE(cluster.duplicates == std::vector<std::string>());
    heal(cluster);
    REQUIRE(cluster.duplicates == std::vector<std::string>());
    checkAgreement(cluster);
  }
}
