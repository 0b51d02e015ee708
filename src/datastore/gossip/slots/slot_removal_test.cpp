// SPDX-License-Identifier: Apache-2.0
#include "keeper_bench.hpp"

using namespace twill;
using namespace twill::gossip;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using Bench = KeeperBench;

namespace {

/// n1 founded, n2 and n3 joined; n2 uses slot 8 and has six more.
struct Three : Bench {
  Node n1 = founder();
  Node n2 = joined(2, n1);
  Node n3 = joined(3, n1);
  Three() {
    show(n1, {&n2, &n3});
    show(n2, {&n1, &n3});
    show(n3, {&n1, &n2});
    REQUIRE(n2->want(now, lease("n2")));
    REQUIRE(n1->heardLetter(now, take(n2).letters.at(0).bytes));
    REQUIRE(n2->heardLetter(now, take(n1).letters.at(0).bytes));
    take(n2);
    exchange(n1, n2);
    exchange(n1, n3);
  }
  std::string refusalOf(Node& node, const NodeId& id) const {
    const auto removed = node->remove(now, id);
    return removed ? "" : removed.error().text;
  }
  /// n2 is dead and n1 removes it.
  void remove() {
    fail(n2);
    pass(minutes(10));
    show(n1, {&n2, &n3});
    REQUIRE(n1->remove(now, n2.id));
  }
};

}  // namespace

TEST_CASE("a node is removed only when it was out of reach for ten minutes") {
  Three bench;
  CHECK(Bench::has(bench.refusalOf(bench.n1, bench.n2.id), "n2 (" + bench.n2.id.text() + ") is alive"));
  CHECK(Bench::has(bench.refusalOf(bench.n1, bench.n1.id), "itself"));
  CHECK(Bench::has(bench.refusalOf(bench.n1, Bench::idOf(50)), "no node of id"));
  bench.fail(bench.n2);
  bench.pass(minutes(9) + seconds(20));
  bench.show(bench.n1, {&bench.n2, &bench.n3});
  const std::string early = bench.refusalOf(bench.n1, bench.n2.id);
  CHECK(Bench::has(early, "for 9 min 20 s only, and can be removed after 10 min"));
  CHECK(Bench::has(early, "make sure that it is off"));
  CHECK(bench.n1->state().table.tombstones().empty());
  bench.pass(seconds(40));
  CHECK(bench.refusalOf(bench.n1, bench.n2.id).empty());
}

TEST_CASE("a node that reaches no more than half of all removes none, unless forced") {
  Three bench;
  Bench::Node n4 = bench.joined(4, bench.n1);
  bench.fail(bench.n2);
  bench.fail(bench.n3);
  bench.show(bench.n1, {&bench.n2, &bench.n3, &n4});
  bench.pass(minutes(11));
  CHECK(Bench::has(bench.refusalOf(bench.n1, bench.n2.id), "reaches 2 of 4 nodes"));
  CHECK(bench.n1->state().table.tombstones().empty());
  CHECK(bench.n1->remove(bench.now, bench.n2.id, true));
  CHECK(bench.refusalOf(bench.n1, bench.n3.id).empty());
}

TEST_CASE("a node that is no member any more counts as out of reach since then, or since the start") {
  Three bench;
  bench.show(bench.n1, {&bench.n3});
  bench.pass(minutes(9));
  CHECK_FALSE(bench.n1->remove(bench.now, bench.n2.id));
  bench.start(bench.n1);
  bench.pass(minutes(9));
  CHECK_FALSE(bench.n1->remove(bench.now, bench.n2.id));
  bench.pass(minutes(1));
  CHECK(bench.n1->remove(bench.now, bench.n2.id, true));
}

TEST_CASE("a removed node's slots go to the remover, rest for an hour and are free then") {
  Three bench;
  bench.remove();
  const auto actions = Bench::take(bench.n1);
  REQUIRE(actions.deltas.size() == 1);
  REQUIRE(bench.n3->heardDelta(bench.now, actions.deltas[0]));
  const SlotRecord& record = bench.n3->state().table.at(8);
  CHECK(record.owner == bench.n1.id);
  CHECK(record.use == SlotUse::revoked);
  CHECK(epochOf(record.version) == 1);
  CHECK(record.revokedUntil == bench.wall + 600 + 3600);
  CHECK(bench.n3->leases().empty());
  CHECK(bench.n3->state().table.tombstones().at(bench.n2.id).generation == 1);
  CHECK(Bench::has(Bench::warning(bench.n1, SlotWarning::Kind::resting), "7 slots of removed nodes"));

  bench.advance(bench.n1, hours(1) - seconds(1));
  CHECK(Bench::freeOf(bench.n1, bench.n1.id) == 8);
  bench.advance(bench.n1, seconds(1));
  CHECK(Bench::freeOf(bench.n1, bench.n1.id) == 15);
  CHECK(Bench::warning(bench.n1, SlotWarning::Kind::resting).empty());
}

TEST_CASE("the hour goes on over a restart") {
  Three bench;
  bench.remove();
  Bench::take(bench.n1);
  bench.wall += 600 + 1800;
  bench.start(bench.n1);
  bench.show(bench.n1, {&bench.n3});
  bench.advance(bench.n1, minutes(29));
  CHECK(Bench::freeOf(bench.n1, bench.n1.id) == 8);
  bench.advance(bench.n1, minutes(1));
  CHECK(Bench::freeOf(bench.n1, bench.n1.id) == 15);
}

TEST_CASE(
    "a removed node's slots rest as long as a node is out of reach that may know more, which is named") {
  Three bench;
  bench.remove();
  bench.fail(bench.n3);
  bench.show(bench.n1, {&bench.n2, &bench.n3});
  bench.advance(bench.n1, hours(5));
  CHECK(Bench::freeOf(bench.n1, bench.n1.id) == 8);
  CHECK(Bench::has(Bench::warning(bench.n1, SlotWarning::Kind::resting), "n3 (" + bench.n3.id.text()));
  bench.n3.alive = true;
  bench.n3.since = bench.now;
  bench.show(bench.n1, {&bench.n2, &bench.n3});
  CHECK(Bench::freeOf(bench.n1, bench.n1.id) == 8);
  bench.advance(bench.n1, minutes(10));
  CHECK(Bench::freeOf(bench.n1, bench.n1.id) == 15);
}

TEST_CASE("a slot of a removed node that comes to light later goes to the remover too") {
  Three bench;
  // n2 grants to n3 what n1 has not heard of, and has itself got a slot back that n1 knows as n3's.
  SlotNews late{.from = bench.n3.id, .cluster = bench.n1->state().cluster->id};
  bench.remove();
  Bench::take(bench.n1);
  late.runs = {{.first = {.slot = 3, .owner = bench.n2.id, .version = 9, .generation = 1}, .count = 1}};
  REQUIRE(bench.n1->heardDelta(bench.now, encode(late)));
  CHECK(bench.n1->state().table.at(3).owner == bench.n1.id);
  CHECK(bench.n1->state().table.at(3).use == SlotUse::revoked);
}

TEST_CASE("a removed node that hears of it fences itself, comes back as a new one and takes another slot") {
  Three bench;
  bench.remove();
  Bench::take(bench.n1);
  bench.exchange(bench.n1, bench.n2);
  CHECK_FALSE(bench.n2->mine());
  CHECK(bench.n2->state().generation == 2);
  CHECK(bench.n2->conflicts() == 1);
  CHECK(Bench::has(Bench::warning(bench.n2, SlotWarning::Kind::fenced), "n1 ("));
  CHECK(Bench::has(Bench::warning(bench.n2, SlotWarning::Kind::conflict), "10.32.0.144/28 was in use"));
  // Its old generation gets nothing, the new one does.
  const GrantMessage old{.cluster = bench.n1->state().cluster->id, .from = bench.n2.id, .generation = 1};
  REQUIRE(bench.n1->heardLetter(bench.now, encode(old)));
  CHECK(Bench::has(parseGrantMessage(Bench::take(bench.n1).letters.at(0).bytes)->refusal, "was removed"));
  bench.n2.alive = true;
  bench.show(bench.n2, {&bench.n1});
  bench.advance(bench.n2, seconds(2));
  REQUIRE(bench.n1->heardLetter(bench.now, Bench::take(bench.n2).letters.at(0).bytes));
  REQUIRE(bench.n2->heardLetter(bench.now, Bench::take(bench.n1).letters.at(0).bytes));
  Bench::take(bench.n2);
  CHECK(bench.n2->mine() == 4U);
}

TEST_CASE("a grant of a node that was removed is no grant") {
  Three bench;
  bench.remove();
  bench.exchange(bench.n1, bench.n3);
  const GrantMessage grant{
      .kind = GrantMessage::Kind::grant,
      .cluster = bench.n3->state().cluster->id,
      .from = bench.n2.id,
      .generation = 1,
      .runs = {{.first = {.slot = 9, .owner = bench.n3.id, .version = kLastVersion, .generation = 1},
                .count = 1}}};
  REQUIRE(bench.n3->heardLetter(bench.now, encode(grant)));
  CHECK(bench.n3->state().table.at(9).owner == bench.n1.id);
}

TEST_CASE("a node whose own slot turns up as another's loses it, takes another, and a third one names both") {
  Three bench;
  SlotNews claim{.from = bench.n3.id, .cluster = bench.n1->state().cluster->id};
  SlotRecord taken = bench.n2->state().table.at(8);
  taken.owner = bench.n3.id;
  taken.version++;
  claim.runs = {{.first = taken, .count = 1}};
  REQUIRE(bench.n2->heardDelta(bench.now, encode(claim)));
  Bench::take(bench.n2);
  CHECK(bench.n2->mine() == 9U);
  CHECK(Bench::has(Bench::warning(bench.n2, SlotWarning::Kind::conflict), "this node takes another"));
  REQUIRE(bench.n1->heardDelta(bench.now, encode(claim)));
  const std::string text = Bench::warning(bench.n1, SlotWarning::Kind::conflict);
  CHECK(Bench::has(text, "in use on n2"));
  CHECK(Bench::has(text, "is n3"));
  bench.advance(bench.n1, minutes(10));
  CHECK(Bench::warning(bench.n1, SlotWarning::Kind::conflict).empty());
}

TEST_CASE("a disk that was put back is known by its own newer records, which are taken over") {
  Three bench;
  const std::string before = bench.n1.disk;
  REQUIRE(bench.n1->want(bench.now, "{}"));
  Bench::take(bench.n1);
  bench.exchange(bench.n1, bench.n3);
  bench.n1.disk = before;
  bench.start(bench.n1);
  CHECK_FALSE(bench.n1->mine());
  CHECK(Bench::warning(bench.n1, SlotWarning::Kind::rolledBack).empty());
  bench.exchange(bench.n1, bench.n3);
  CHECK(bench.n1->mine() == 0U);
  CHECK_FALSE(Bench::warning(bench.n1, SlotWarning::Kind::rolledBack).empty());
}
