// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/slots/slot_keeper.hpp"

#include "keeper_bench.hpp"

using namespace twill;
using namespace twill::gossip;
using std::chrono::minutes;
using std::chrono::seconds;
using Bench = KeeperBench;

TEST_CASE("the first node of a cluster owns all slots and may use one at once") {
  Bench bench;
  auto n1 = bench.founder();
  REQUIRE(n1->want(bench.now, Bench::lease("n1")));
  CHECK_FALSE(n1->mine());
  const auto actions = Bench::take(n1);
  CHECK(actions.changed);
  CHECK(actions.deltas.size() == 1);
  CHECK(n1->mine() == 0U);
  CHECK(Bench::freeOf(n1, n1.id) == 14);
  REQUIRE(n1->leases().size() == 1);
  CHECK(n1->leases()[0]->data == Bench::lease("n1"));
}

TEST_CASE("a node that joins founds nothing, and one that founds needs a network config") {
  Bench bench;
  auto n2 = bench.node(2, true);
  bench.start(n2);
  REQUIRE(n2->want(bench.now, "{}"));
  bench.advance(n2, minutes(10));
  CHECK_FALSE(n2->state().cluster);
  CHECK_FALSE(n2->mine());
  auto n3 = bench.node(3, false);
  n3.options.network = "";
  const auto started = bench.tryStart(n3);
  REQUIRE_FALSE(started);
  CHECK(Bench::has(started.error().text, "needs a network config"));
}

TEST_CASE("nodes that expect each other found one cluster, by the lowest id") {
  Bench bench;
  std::vector<Bench::Node> nodes;
  for (const int number : {3, 1, 2}) {
    nodes.push_back(bench.node(static_cast<std::uint8_t>(number), true));
    nodes.back().options.expect = 3;
    nodes.back().options.network = Bench::kPool;
    bench.start(nodes.back());
  }
  bool asked = false;  // n3, for an exchange
  const auto tell = [&] {
    bench.pass(seconds(5));
    for (auto& from : nodes) {
      from->advance(bench.now);
      const auto actions = Bench::take(from);
      asked = asked || (actions.exchange && from.id == nodes[0].id);
      for (const auto& delta : actions.deltas) {
        for (auto& to : nodes) {
          if (to.id != from.id) REQUIRE(to->heardDelta(bench.now, delta));
        }
      }
    }
  };
  bench.show(nodes[1], {&nodes[0], &nodes[2]});
  bench.show(nodes[2], {&nodes[0], &nodes[1]});
  bench.show(nodes[0], {&nodes[1]});
  tell();
  tell();
  for (auto& node : nodes) CHECK_FALSE(node->state().cluster);
  bench.show(nodes[0], {&nodes[1], &nodes[2]});
  tell();
  tell();
  CHECK(nodes[1]->state().cluster->id == nodes[1].options.newCluster);
  CHECK_FALSE(nodes[0]->state().cluster);
  CHECK(asked);
  bench.exchange(nodes[0], nodes[1]);
  CHECK(nodes[0]->state().cluster == nodes[1]->state().cluster);
}

TEST_CASE("two clusters are never merged, and both are named") {
  Bench bench;
  auto n1 = bench.founder(1);
  auto n2 = bench.founder(2);
  const auto before = n1->state();
  const auto refused = n1->exchanged(bench.now, *n2->tableMessage());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == Error::Kind::conflict);
  CHECK(Bench::has(refused.error().text, n1->state().cluster->id.text()));
  CHECK(Bench::has(refused.error().text, n2->state().cluster->id.text()));
  CHECK(n1->state() == before);
  REQUIRE(n2->want(bench.now, "{}"));
  CHECK_FALSE(n1->heardDelta(bench.now, Bench::take(n2).deltas[0]));
  CHECK(n1->state() == before);
}

TEST_CASE("another pool is refused with both sides named, in a config and at a node that joins") {
  Bench bench;
  auto n1 = bench.founder();
  const std::string other = R"({"Network":"10.99.0.0/24","SubnetLen":28})";
  const auto configured = n1->configure(bench.now, other);
  REQUIRE_FALSE(configured);
  auto n2 = bench.node(2, true);
  n2.options.network = other;
  bench.start(n2);
  const auto joined = n2->exchanged(bench.now, *n1->tableMessage());
  REQUIRE_FALSE(joined);
  for (const std::string& text : {configured.error().text, joined.error().text}) {
    CHECK(Bench::has(text, "10.32.0.0/24 in /28"));
    CHECK(Bench::has(text, "10.99.0.0/24 in /28"));
  }
  CHECK_FALSE(n2->state().cluster);
}

TEST_CASE("the last writer of the network config wins, and a config that fits goes out at once") {
  Bench bench;
  auto n1 = bench.founder();
  auto n2 = bench.joined(2, n1);
  const auto configOf = [](const std::string& type) {
    return fmt::format(R"({{"Network":"10.32.0.0/24","SubnetLen":28,"Backend":{{"Type":"{}"}}}})", type);
  };
  REQUIRE(n1->configure(bench.now, configOf("vxlan")));
  const auto deltas = Bench::take(n1).deltas;
  REQUIRE(deltas.size() == 1);
  REQUIRE(n2->heardDelta(bench.now, deltas[0]));
  CHECK(n2->state().cluster->config == configOf("vxlan"));
  // Both at once: the same version, so the writer decides.
  REQUIRE(n1->configure(bench.now, configOf("ipip")));
  REQUIRE(n2->configure(bench.now, configOf("udp")));
  Bench::take(n1);
  Bench::take(n2);
  bench.exchange(n1, n2);
  CHECK(n1->state().cluster->config == configOf("udp"));
  CHECK(n1->state().cluster == n2->state().cluster);
}

TEST_CASE("nobody hears of what is not saved") {
  Bench bench;
  auto n1 = bench.founder();
  auto n2 = bench.joined(2, n1);
  bench.show(n2, {&n1});
  REQUIRE(n2->want(bench.now, Bench::lease("n2")));
  const auto letters = Bench::take(n2).letters;
  REQUIRE(letters.size() == 1);
  REQUIRE(n1->heardLetter(bench.now, letters[0].bytes));
  const auto full = [](const std::string& /*text*/) -> Result<void> { return fail("no space left"); };
  CHECK_FALSE(n1->take(full));
  CHECK_FALSE(n1->tableMessage());
  CHECK(Bench::has(Bench::warning(n1, SlotWarning::Kind::unsaved), "no space left"));
  CHECK(n1->nextDeadline() == bench.now + seconds(1));
  // Once it can be saved the grant is told, though its answer is lost.
  const auto actions = Bench::take(n1);
  CHECK(actions.letters.empty());
  CHECK(actions.deltas.size() == 1);
  CHECK(n1->tableMessage());
  CHECK(Bench::warning(n1, SlotWarning::Kind::unsaved).empty());
  REQUIRE(n2->heardDelta(bench.now, actions.deltas[0]));
  CHECK_FALSE(n2->take(full));
  CHECK_FALSE(n2->mine());
  Bench::take(n2);
  CHECK(n2->mine());
}

TEST_CASE("a slot in use is used at once after a restart, a free one after an exchange only") {
  Bench bench;
  auto n1 = bench.founder();
  auto n2 = bench.joined(2, n1);
  bench.show(n1, {&n2});
  REQUIRE(n1->want(bench.now, "{}"));
  Bench::take(n1);
  bench.start(n1);
  CHECK(n1->mine() == 0U);
  bench.show(n1, {&n2});
  bench.show(n2, {&n1});

  REQUIRE(n2->want(bench.now, "{}"));
  const auto asked = Bench::take(n2).letters;
  REQUIRE(n1->heardLetter(bench.now, asked[0].bytes));
  const auto refused = parseGrantMessage(Bench::take(n1).letters.at(0).bytes);
  REQUIRE(refused);
  CHECK(refused->kind == GrantMessage::Kind::refusal);
  CHECK(Bench::has(refused->refusal, "just started"));

  n1->giveBack(bench.now);
  bench.advance(n1, minutes(10));
  Bench::take(n1);
  CHECK(Bench::freeOf(n1, n1.id) == 15);
  bench.advance(n1, minutes(10));
  REQUIRE(n1->want(bench.now, "{}"));
  Bench::take(n1);
  CHECK_FALSE(n1->mine());
  bench.exchange(n1, n2);
  CHECK(n1->mine());
}

TEST_CASE("a node that never had a peer uses its free slots half a minute after a restart") {
  Bench bench;
  auto n1 = bench.founder();
  bench.start(n1);
  REQUIRE(n1->want(bench.now, "{}"));
  Bench::take(n1);
  CHECK_FALSE(n1->mine());
  REQUIRE(n1->nextDeadline());
  CHECK(*n1->nextDeadline() == bench.now + seconds(30));
  bench.advance(n1, seconds(30));
  Bench::take(n1);
  CHECK(n1->mine());
}

TEST_CASE("a lease that changes is written anew, one that does not is not") {
  Bench bench;
  auto n1 = bench.founder();
  for (const char* data : {"1", "2", "2"}) {
    REQUIRE(n1->want(bench.now, data));
    Bench::take(n1);
  }
  CHECK(n1->state().table.at(0).version == 3);
  CHECK(n1->state().table.at(0).data == "2");
  CHECK_FALSE(n1->want(bench.now, ""));
  CHECK_FALSE(n1->want(bench.now, "no json"));
  CHECK_FALSE(n1->want(bench.now, '"' + std::string(kLongestData, 'x') + '"'));
}

TEST_CASE("a slot that was given back has no lease at once and is free after ten minutes") {
  Bench bench;
  auto n1 = bench.founder();
  REQUIRE(n1->want(bench.now, "{}"));
  Bench::take(n1);
  n1->giveBack(bench.now);
  CHECK(Bench::take(n1).deltas.size() == 1);
  CHECK_FALSE(n1->mine());
  CHECK(n1->leases().empty());
  CHECK(n1->nextDeadline() == bench.now + minutes(10));
  bench.advance(n1, minutes(10) - seconds(1));
  CHECK(n1->state().table.at(0).use == SlotUse::active);
  bench.start(n1);  // the time begins anew
  bench.advance(n1, minutes(10) - seconds(1));
  CHECK(n1->state().table.at(0).use == SlotUse::active);
  bench.advance(n1, seconds(1));
  CHECK(n1->state().table.at(0).use == SlotUse::free);
}

TEST_CASE("a slot that still rests is taken again by the one who gave it back") {
  Bench bench;
  auto n1 = bench.founder();
  REQUIRE(n1->want(bench.now, "1"));
  n1->giveBack(bench.now);
  REQUIRE(n1->want(bench.now, "2"));
  Bench::take(n1);
  CHECK(n1->mine() == 0U);
  bench.advance(n1, minutes(20));
  CHECK(n1->state().table.at(0).data == "2");
}

TEST_CASE("what cannot be read is refused and changes nothing") {
  Bench bench;
  auto n1 = bench.founder();
  const auto before = n1->state();
  for (const char* bytes : {"", "\x80", "\xc1", "\x81\xa1"}) {
    CHECK_FALSE(n1->exchanged(bench.now, bytes));
    CHECK_FALSE(n1->heardDelta(bench.now, bytes));
    CHECK_FALSE(n1->heardLetter(bench.now, bytes));
  }
  CHECK(n1->state() == before);
}

TEST_CASE("digests differ as long as an exchange would bring something") {
  Bench bench;
  auto n1 = bench.founder();
  auto n2 = bench.joined(2, n1);
  bench.exchange(n1, n2);
  CHECK(n1->digest() == n2->digest());
  auto n3 = bench.joined(3, n1);
  bench.exchange(n1, n3);
  CHECK(n1->digest() != n2->digest());  // n2 has never heard of n3
  bench.exchange(n1, n2);
  CHECK(n1->digest() == n2->digest());
  REQUIRE(n1->want(bench.now, Bench::lease("n1")));
  CHECK(n1->digest() != n2->digest());
  bench.exchange(n1, n2);
  CHECK(n1->digest() == n2->digest());
}
