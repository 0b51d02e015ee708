// SPDX-License-Identifier: Apache-2.0
// The mode in which each node's slot follows from its address.
#include "keeper_bench.hpp"

using namespace twill;
using namespace twill::gossip;
using std::chrono::minutes;
using Bench = KeeperBench;

namespace {

struct Places : Bench {
  Node placed(std::uint8_t number, bool join, const std::string& address) {
    Node made = node(number, join);
    made.options.place = KeeperOptions::Place{.address = *IpAddress::parse(address),
                                              .underlay = *Prefix::parse("192.0.2.0/28")};
    start(made);
    return made;
  }
};

}  // namespace

TEST_CASE("in the address mode each node has the slot of its address and asks nobody") {
  Places bench;
  auto n1 = bench.placed(1, false, "192.0.2.5");
  auto n2 = bench.placed(2, true, "192.0.2.9");
  REQUIRE(n1->want(bench.now, "{}"));
  REQUIRE(n2->want(bench.now, "{}"));
  CHECK(Bench::take(n2).letters.empty());
  CHECK_FALSE(n2->mine());  // which cluster it is in says the first exchange
  Bench::take(n1);
  bench.exchange(n1, n2);
  CHECK(n1->mine() == 5U);
  CHECK(n2->mine() == 9U);
  CHECK(n2->leases().size() == 2);
}

TEST_CASE("a cluster takes slots in one mode only, and an underlay that is too large is refused") {
  Places bench;
  auto n1 = bench.placed(1, false, "192.0.2.5");
  auto n2 = bench.node(2, true);
  bench.start(n2);
  const auto joined = n2->exchanged(bench.now, *n1->tableMessage());
  REQUIRE_FALSE(joined);
  CHECK(Bench::has(joined.error().text, "takes slots by address"));
  auto n3 = bench.node(3, true);
  n3.options.place = KeeperOptions::Place{.address = *IpAddress::parse("192.0.2.5"),
                                          .underlay = *Prefix::parse("192.0.2.0/24")};
  bench.start(n3);
  const auto large = n3->exchanged(bench.now, *n1->tableMessage());
  REQUIRE_FALSE(large);
  CHECK(Bench::has(large.error().text, "needs 255 slots"));
  // A founder learns it at its start.
  auto n4 = n3;
  n4.options.join = false;
  n4.options.network = Bench::kPool;
  CHECK_FALSE(bench.tryStart(n4));
}

TEST_CASE(
    "a second node of one address is refused with both named, and gets the slot when the first is gone") {
  Places bench;
  auto n1 = bench.placed(1, false, "192.0.2.5");
  REQUIRE(n1->want(bench.now, "{}"));
  Bench::take(n1);
  auto n2 = bench.placed(2, true, "192.0.2.5");
  bench.show(n2, {&n1});
  bench.exchange(n1, n2);
  REQUIRE(n2->want(bench.now, "{}"));
  Bench::take(n2);
  CHECK_FALSE(n2->mine());
  const std::string text = Bench::warning(n2, SlotWarning::Kind::refused);
  CHECK(Bench::has(text, "n1 (" + n1.id.text()));
  CHECK(Bench::has(text, "n2 (" + n2.id.text()));
  bench.fail(n1);
  bench.show(n2, {&n1});
  Bench::take(n2);
  CHECK(n2->mine() == 5U);
  CHECK(Bench::warning(n2, SlotWarning::Kind::refused).empty());
}

TEST_CASE("two nodes of one address that met too late agree on one, and the other says so") {
  Places bench;
  auto n1 = bench.placed(1, false, "192.0.2.9");
  auto n2 = bench.placed(2, true, "192.0.2.5");
  auto n3 = bench.placed(3, true, "192.0.2.5");
  for (auto* node : {&n2, &n3}) {
    bench.exchange(*node, n1);
    REQUIRE((*node)->want(bench.now, "{}"));
    Bench::take(*node);
    CHECK((*node)->mine() == 5U);
  }
  bench.show(n2, {&n3});
  bench.show(n3, {&n2});
  Bench::take(n2);
  Bench::take(n3);
  bench.exchange(n2, n3);
  CHECK(n2->mine() == 5U);
  CHECK_FALSE(n3->mine());
  CHECK(Bench::has(Bench::warning(n2, SlotWarning::Kind::conflict), "in use on n3"));
  CHECK(Bench::has(Bench::warning(n3, SlotWarning::Kind::refused), "n2"));
  CHECK(n3->conflicts() == 1);
}

TEST_CASE("a node that comes back with another address leaves the slot of the old one") {
  Places bench;
  auto n1 = bench.placed(1, false, "192.0.2.5");
  REQUIRE(n1->want(bench.now, "{}"));
  Bench::take(n1);
  n1.options.place->address = *IpAddress::parse("192.0.2.6");
  bench.start(n1);
  CHECK_FALSE(n1->mine());
  bench.pass(minutes(1));
  REQUIRE(n1->want(bench.now, "{}"));
  Bench::take(n1);
  CHECK(n1->mine() == 6U);
  CHECK(n1->leases().size() == 1);
  bench.advance(n1, minutes(10));
  CHECK(n1->state().table.at(5).use == SlotUse::free);
}
