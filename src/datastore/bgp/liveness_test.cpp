// SPDX-License-Identifier: Apache-2.0
#include "datastore/bgp/liveness.hpp"

#include <doctest/doctest.h>

using namespace twill;
using namespace twill::bgp;
using namespace std::chrono_literals;

namespace {

const IpAddress kOne = IpAddress::fromV4(0x0a000001);
const IpAddress kTwo = IpAddress::fromV4(0x0a000002);

struct Bench {
  Liveness liveness;
  TimePoint now;

  std::vector<IpAddress> turn(std::chrono::milliseconds after = Liveness::kStep) {
    now += after;
    return liveness.turn(now);
  }
  void hear(const IpAddress& peer) { liveness.heard(peer, now); }
};

}  // namespace

TEST_CASE("a node that was heard is dead after 900 ms of silence, and back with the next answer") {
  Bench bench;
  bench.liveness.follow({kOne, kTwo});
  CHECK(bench.turn() == std::vector{kOne, kTwo});
  bench.hear(kOne);
  bench.hear(kTwo);
  CHECK(bench.turn().empty());
  for (int i = 0; i < 4; ++i) {
    bench.turn();
    CHECK(bench.liveness.dead().empty());
    bench.hear(kTwo);
  }
  CHECK(bench.turn() == std::vector{kOne, kTwo});
  CHECK(bench.liveness.dead() == std::set{kOne});
  bench.hear(kOne);
  CHECK(bench.liveness.dead().empty());
}

TEST_CASE("who does not answer is asked each turn, others each other turn") {
  Bench bench;
  bench.liveness.follow({kOne, kTwo});
  bench.turn();
  bench.hear(kTwo);
  CHECK(bench.turn() == std::vector{kOne});
  CHECK(bench.turn() == std::vector{kOne, kTwo});
}

TEST_CASE("one that was never heard is not dead, and a stranger is nobody") {
  Bench bench;
  bench.liveness.follow({kOne});
  bench.hear(kTwo);
  for (int i = 0; i < 20; ++i) bench.turn();
  CHECK(bench.liveness.dead().empty());
  CHECK(bench.turn() == std::vector{kOne});
}

TEST_CASE("turns that come late, as after a pause of this node, make nobody dead") {
  Bench bench;
  bench.liveness.follow({kOne});
  bench.turn();
  bench.hear(kOne);
  bench.turn();
  bench.turn();
  for (int i = 0; i < 2; ++i) bench.turn(10s);
  CHECK(bench.liveness.dead().empty());
}

TEST_CASE("a node that is followed no more is forgotten, and thousands are asked less often") {
  Bench bench;
  bench.liveness.follow({kOne});
  bench.hear(kOne);
  for (int i = 0; i < 9; ++i) bench.turn();
  CHECK_FALSE(bench.liveness.dead().empty());
  bench.liveness.follow({});
  CHECK(bench.liveness.dead().empty());
  std::set<IpAddress> many;
  for (std::uint32_t i = 0; i < 5000; ++i) many.insert(IpAddress::fromV4(0x0a000000 + i));
  bench.liveness.follow(many);
  CHECK(bench.liveness.step() == 2500ms);
}
