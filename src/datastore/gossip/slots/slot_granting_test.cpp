// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/slots/slots.hpp"
#include "keeper_bench.hpp"

using namespace twill;
using namespace twill::gossip;
using std::chrono::minutes;
using std::chrono::seconds;
using Bench = KeeperBench;
using Kind = GrantMessage::Kind;

namespace {

GrantMessage read(const SlotActions::Letter& letter) {
  const auto message = parseGrantMessage(letter.bytes);
  REQUIRE(message);
  return *message;
}

/// n1 founded, n2 joined, each sees the other.
struct Two : Bench {
  Node n1 = founder();
  Node n2 = joined(2, n1);
  Two() {
    show(n1, {&n2});
    show(n2, {&n1});
    take(n1);
    take(n2);
  }
};

}  // namespace

TEST_CASE("a node without a slot asks a peer that has some, and uses what it is granted") {
  Two bench;
  REQUIRE(bench.n2->want(bench.now, Bench::lease("n2")));
  const auto asked = Bench::take(bench.n2).letters;
  REQUIRE(asked.size() == 1);
  CHECK(asked[0].to == bench.n1.id);
  CHECK_FALSE(asked[0].answer);
  REQUIRE(bench.n1->heardLetter(bench.now, asked[0].bytes));
  const auto granted = Bench::take(bench.n1);
  REQUIRE(granted.letters.size() == 1);
  CHECK(granted.letters[0].answer);
  CHECK(read(granted.letters[0]).kind == Kind::grant);
  CHECK(granted.deltas.size() == 1);
  CHECK(Bench::freeOf(bench.n1, bench.n2.id) == 7);  // half of 15
  REQUIRE(bench.n2->heardLetter(bench.now, granted.letters[0].bytes));
  Bench::take(bench.n2);
  CHECK(bench.n2->mine() == 8U);
  CHECK(Bench::freeOf(bench.n2, bench.n2.id) == 6);
}

TEST_CASE("where others wait for a slot, too, one gets no more than leaves two for each of them") {
  Two bench;
  std::vector<Bench::Node> others;
  for (std::uint8_t i = 3; i < 9; ++i) others.push_back(bench.joined(i, bench.n1));
  std::vector<const Bench::Node*> all = {&bench.n2};
  for (const auto& other : others) all.push_back(&other);
  bench.show(bench.n1, all);
  REQUIRE(bench.n2->want(bench.now, "{}"));
  REQUIRE(bench.n1->heardLetter(bench.now, Bench::take(bench.n2).letters.at(0).bytes));
  CHECK(Bench::freeOf(bench.n1, bench.n2.id) == 3);  // of 15, and 6 wait
}

TEST_CASE("the same request gets the same grant, and an old one takes nothing back") {
  Two bench;
  REQUIRE(bench.n2->want(bench.now, "{}"));
  const auto asked = Bench::take(bench.n2).letters.at(0);
  REQUIRE(bench.n1->heardLetter(bench.now, asked.bytes));
  const auto first = Bench::take(bench.n1).letters.at(0);
  REQUIRE(bench.n1->heardLetter(bench.now, asked.bytes));
  const auto again = Bench::take(bench.n1);
  CHECK(again.letters.at(0).bytes == first.bytes);
  CHECK(again.deltas.empty());
  REQUIRE(bench.n2->heardLetter(bench.now, first.bytes));
  Bench::take(bench.n2);
  const SlotTable before = bench.n2->state().table;
  REQUIRE(bench.n2->heardLetter(bench.now, first.bytes));
  CHECK(bench.n2->state().table == before);
}

TEST_CASE("a request without an answer is sent again, then another peer is asked") {
  Two bench;
  auto n3 = bench.joined(3, bench.n1);
  bench.show(n3, {&bench.n1, &bench.n2});
  // n2 has some too.
  REQUIRE(bench.n2->want(bench.now, "{}"));
  REQUIRE(bench.n1->heardLetter(bench.now, Bench::take(bench.n2).letters.at(0).bytes));
  REQUIRE(n3->heardDelta(bench.now, Bench::take(bench.n1).deltas.at(0)));
  REQUIRE(n3->want(bench.now, "{}"));
  const auto first = Bench::take(n3).letters.at(0);
  for (int i = 0; i < 2; ++i) {
    CHECK(n3->nextDeadline() == bench.now + seconds(2));
    bench.advance(n3, seconds(2));
    CHECK(Bench::take(n3).letters.at(0).bytes == first.bytes);
  }
  bench.advance(n3, seconds(2));
  const auto other = Bench::take(n3).letters.at(0);
  CHECK(other.to != first.to);
  CHECK(read(other).request != read(first).request);
}

TEST_CASE("a refused node asks again after a second") {
  Two bench;
  REQUIRE(bench.n2->want(bench.now, "{}"));
  const auto asked = read(Bench::take(bench.n2).letters.at(0));
  GrantMessage refusal{.kind = Kind::refusal,
                       .cluster = asked.cluster,
                       .from = bench.n1.id,
                       .generation = 1,
                       .request = asked.request,
                       .refusal = "no"};
  REQUIRE(bench.n2->heardLetter(bench.now, encode(refusal)));
  CHECK(Bench::take(bench.n2).letters.empty());
  bench.advance(bench.n2, seconds(1));
  CHECK(read(Bench::take(bench.n2).letters.at(0)).request != asked.request);
}

TEST_CASE("a request of another cluster is refused with both ids") {
  Two bench;
  const GrantMessage foreign{.cluster = Bench::idOf(77), .from = Bench::idOf(7), .generation = 1};
  REQUIRE(bench.n1->heardLetter(bench.now, encode(foreign)));
  const auto refused = read(Bench::take(bench.n1).letters.at(0));
  CHECK(refused.kind == Kind::refusal);
  CHECK(Bench::has(refused.refusal, Bench::idOf(77).text()));
  CHECK(Bench::has(refused.refusal, bench.n1->state().cluster->id.text()));
  GrantMessage grant = foreign;
  grant.kind = Kind::grant;
  CHECK_FALSE(bench.n1->heardLetter(bench.now, encode(grant)));
}

TEST_CASE("a grant has at most 64 slots, and the last free slot is given too") {
  Bench bench;
  auto n1 = bench.node(1, false);
  n1.options.network = R"({"Network":"10.32.0.0/16"})";
  bench.start(n1);
  const auto grantTo = [&](std::uint8_t number) {
    const GrantMessage request{
        .cluster = n1->state().cluster->id, .from = Bench::idOf(number), .generation = 1};
    REQUIRE(n1->heardLetter(bench.now, encode(request)));
    const auto answer = read(Bench::take(n1).letters.at(0));
    return answer.kind == Kind::grant ? Bench::freeOf(n1, request.from) : 0;
  };
  CHECK(grantTo(2) == 64);
  std::uint8_t number = 3;
  while (Bench::freeOf(n1, n1.id) > 1) grantTo(number++);
  CHECK(grantTo(number) == 1);
  CHECK(Bench::freeOf(n1, n1.id) == 0);
  CHECK(grantTo(200) == 0);
}

TEST_CASE("a slot in reserve is asked of those only who have more than one") {
  Two bench;
  REQUIRE(bench.n2->want(bench.now, "{}"));
  REQUIRE(bench.n1->heardLetter(bench.now, Bench::take(bench.n2).letters.at(0).bytes));
  REQUIRE(bench.n2->heardLetter(bench.now, Bench::take(bench.n1).letters.at(0).bytes));
  Bench::take(bench.n2);
  // n2 gives all its free slots away but for the one in use.
  std::uint8_t number = 10;
  while (Bench::freeOf(bench.n2, bench.n2.id) > 0) {
    const GrantMessage request{
        .cluster = bench.n2->state().cluster->id, .from = Bench::idOf(number++), .generation = 1};
    REQUIRE(bench.n2->heardLetter(bench.now, encode(request)));
  }
  const auto letters = Bench::take(bench.n2).letters;
  CHECK(letters.back().to == bench.n1.id);
  CHECK(read(letters.back()).kind == Kind::request);
}

TEST_CASE("a node that leaves hands its free slots to a live peer and waits for its word") {
  Two bench;
  REQUIRE(bench.n1->want(bench.now, "{}"));
  Bench::take(bench.n1);
  bench.n1->leave(bench.now);
  const auto leaving = Bench::take(bench.n1);
  CHECK_FALSE(leaving.mayLeave);
  REQUIRE(leaving.letters.size() == 1);
  CHECK(read(leaving.letters[0]).kind == Kind::handOver);
  CHECK(Bench::freeOf(bench.n1, bench.n1.id) == 0);
  CHECK(bench.n1->mine() == 0U);  // its containers are still there
  bench.advance(bench.n1, seconds(2));
  CHECK(Bench::take(bench.n1).letters.at(0).bytes == leaving.letters[0].bytes);

  REQUIRE(bench.n2->heardLetter(bench.now, leaving.letters[0].bytes));
  const auto received = Bench::take(bench.n2).letters.at(0);
  CHECK(read(received).kind == Kind::received);
  CHECK(received.answer);
  CHECK(Bench::freeOf(bench.n2, bench.n2.id) == 14);
  REQUIRE(bench.n1->heardLetter(bench.now, received.bytes));
  CHECK(Bench::take(bench.n1).mayLeave);
}

TEST_CASE("a node that leaves grants nothing, and waits for no peer that is silent or not there") {
  Two bench;
  bench.n1->leave(bench.now);
  Bench::take(bench.n1);
  const GrantMessage request{
      .cluster = bench.n1->state().cluster->id, .from = Bench::idOf(7), .generation = 1};
  REQUIRE(bench.n1->heardLetter(bench.now, encode(request)));
  CHECK(Bench::has(read(Bench::take(bench.n1).letters.at(0)).refusal, "is leaving"));
  bool mayLeave = false;
  for (int i = 0; i < 5; ++i) {
    bench.advance(bench.n1, seconds(2));
    mayLeave = Bench::take(bench.n1).mayLeave;
  }
  CHECK(mayLeave);
  auto alone = bench.founder(9);
  alone->leave(bench.now);
  CHECK(Bench::take(alone).mayLeave);
}

TEST_CASE("a node that gets no slot says how many are free, where, and who is out of reach") {
  Two bench;
  bench.fail(bench.n1);
  bench.show(bench.n2, {&bench.n1});
  REQUIRE(bench.n2->want(bench.now, "{}"));
  Bench::take(bench.n2);
  const std::string text = Bench::warning(bench.n2, SlotWarning::Kind::exhausted);
  CHECK(Bench::has(text, "of 15 slots 15 are free"));
  CHECK(Bench::has(text, "n1 (" + bench.n1.id.text() + ") (15 free, 0 in use)"));
  bench.n1.alive = true;
  bench.show(bench.n2, {&bench.n1});
  CHECK(Bench::warning(bench.n2, SlotWarning::Kind::exhausted).empty());
}

TEST_CASE("nobody grants to one of whom two run") {
  Two bench;
  auto copy = bench.node(2, true);
  copy.name = "copy";
  copy.options.boot = 99;
  bench.show(bench.n1, {&bench.n2, &copy});
  REQUIRE(bench.n2->want(bench.now, "{}"));
  REQUIRE(bench.n1->heardLetter(bench.now, Bench::take(bench.n2).letters.at(0).bytes));
  const auto answer = read(Bench::take(bench.n1).letters.at(0));
  CHECK(answer.kind == Kind::refusal);
  CHECK(Bench::has(answer.refusal, "two nodes run"));
  // And the two themselves stand still.
  bench.show(bench.n2, {&bench.n1, &copy});
  bench.advance(bench.n2, seconds(30));
  CHECK(Bench::take(bench.n2).letters.empty());
  CHECK(Bench::has(Bench::warning(bench.n2, SlotWarning::Kind::copied), "another machine runs as n2"));
}
