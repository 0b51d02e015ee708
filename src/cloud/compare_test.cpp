// SPDX-License-Identifier: Apache-2.0
#include "cloud/compare.hpp"

#include <doctest/doctest.h>

namespace twill::cloud {
namespace {

using namespace std::chrono_literals;

Prefix prefix(const char* text) {
  return *Prefix::parse(text);
}

const Self kSelf{
    .place = "here", .network = "vpc-1", .instance = "i-1", .target = "eni-1", .tables = {"rtb-1"}};
constexpr TimePoint kNow{1h};

CloudWish wish() {
  CloudWish out{.type = "aws-vpc", .node = "node1"};
  out.networks.push_back({.network = prefix("10.244.0.0/16"), .subnetLength = 24});
  out.own = {prefix("10.244.1.0/24")};
  out.leased = {prefix("10.244.1.0/24"), prefix("10.244.2.0/24")};
  out.colleagues = {"node1", "node2"};
  return out;
}

Route route(const char* dst, const char* target, bool ours = true) {
  return {.dst = prefix(dst), .table = "rtb-1", .id = "", .target = target, .ours = ours};
}

Actions compared(const std::vector<Route>& table, bool sweeps = true, const CloudWish& asked = wish()) {
  Orphans orphans;
  return compare(asked, kSelf, table, sweeps, {}, kNow, orphans);
}

TEST_CASE("a route that is not there is made, and one that is as it should be is left alone") {
  const Actions first = compared({});
  REQUIRE(first.put.size() == 1);
  CHECK(first.put[0] == Put{prefix("10.244.1.0/24"), "rtb-1", std::nullopt});

  const Actions then = compared({route("10.244.1.0/24", "eni-1")});
  CHECK(then.put.empty());
  CHECK(then.erase.empty());
}

TEST_CASE("one that leads to another node, or nowhere, is replaced") {
  const Route old = route("10.244.1.0/24", "eni-9");
  const Actions elsewhere = compared({old});
  REQUIRE(elsewhere.put.size() == 1);
  CHECK(elsewhere.put[0].replaces == old);
  CHECK(elsewhere.erase.empty());

  Route dead = route("10.244.1.0/24", "eni-1");
  dead.state = Route::State::blackhole;
  CHECK(compared({dead}).put.size() == 1);
}

TEST_CASE("what somebody else has in the way is named and not touched") {
  const Actions exact = compared({route("10.244.1.0/24", "tgw-1", false)});
  CHECK(exact.put.empty());
  CHECK(exact.erase.empty());
  REQUIRE(exact.conflicts.size() == 1);
  CHECK(exact.conflicts[0].find("tgw-1") != std::string::npos);

  const Actions part = compared({route("10.244.1.0/24", "eni-1"), route("10.244.1.128/25", "eni-7")});
  CHECK(part.put.empty());
  CHECK(part.conflicts.size() == 1);
  CHECK(part.erase.empty());

  Route propagated = route("10.244.1.0/24", "vgw-1", false);
  propagated.extra = true;
  CHECK(compared({propagated}).put.size() == 1);
  CHECK(compared({propagated}).conflicts.empty());
}

TEST_CASE("of a second route of ours to the same subnet only the good one stays") {
  Route good = route("10.244.1.0/24", "eni-1");
  good.id = "twill-10-244-1-0-24";
  Route old = route("10.244.1.0/24", "eni-9");
  old.id = "flannel-10-244-1-0-24";
  const Actions actions = compared({old, good});
  CHECK(actions.put.empty());
  REQUIRE(actions.erase.size() == 1);
  CHECK(actions.erase[0].id == "flannel-10-244-1-0-24");
}

TEST_CASE("what nodes left behind goes: at once where no instance is left, else after a while") {
  Route dead = route("10.244.9.0/24", "eni-9");
  dead.state = Route::State::blackhole;
  const Route alive = route("10.244.8.0/24", "eni-8");
  const Route own = route("10.244.1.0/24", "eni-1");
  Route leasedDead = route("10.244.2.0/24", "eni-2");
  leasedDead.state = Route::State::blackhole;
  const std::vector<Route> table{own, dead, alive, leasedDead};

  Orphans orphans;
  const Pace pace;
  auto actions = compare(wish(), kSelf, table, true, pace, kNow, orphans);
  CHECK(actions.erase == std::vector{dead});
  actions = compare(wish(), kSelf, table, true, pace, kNow + pace.orphanRespite - 1ms, orphans);
  CHECK(actions.erase == std::vector{dead});
  actions = compare(wish(), kSelf, table, true, pace, kNow + pace.orphanRespite, orphans);
  CHECK(actions.erase == std::vector{dead, alive});
  actions = compare(wish(), kSelf, table, false, pace, kNow + pace.orphanRespite, orphans);
  CHECK(actions.erase.empty());

  // One that was held again for a moment starts anew.
  CloudWish held = wish();
  held.leased.push_back(alive.dst);
  (void)compare(held, kSelf, table, true, pace, kNow + pace.orphanRespite, orphans);
  actions = compare(wish(), kSelf, table, true, pace, kNow + pace.orphanRespite, orphans);
  CHECK(actions.erase == std::vector{dead});
}

TEST_CASE("a sweep leaves alone what is no node's") {
  CHECK(compared({route("10.244.9.0/25", "eni-9")}).erase.empty());  // no node's subnet
  CHECK(compared({route("10.250.9.0/24", "eni-9")}).erase.empty());  // outside the network
  Route gateway = route("10.244.9.0/24", "nat-1", false);
  gateway.state = Route::State::blackhole;
  CHECK(compared({gateway}).erase.empty());
}

TEST_CASE("a farewell takes our routes and no others") {
  CloudWish farewell = wish();
  farewell.own.clear();
  farewell.leased.clear();
  const Route own = route("10.244.1.0/24", "eni-1");
  const Actions actions = compared({own, route("10.244.2.0/24", "eni-2")}, true, farewell);
  CHECK(actions.erase == std::vector{own});
  CHECK(actions.put.empty());
}

TEST_CASE("each node has its turn to sweep") {
  const std::vector<std::string> nodes{"a", "b", "c"};
  std::map<std::string, int> turns;
  for (std::uint64_t epoch = 0; epoch < 300; ++epoch) ++turns[sweeperOf(nodes, epoch)];
  CHECK(turns == std::map<std::string, int>{{"a", 100}, {"b", 100}, {"c", 100}});
  CHECK(sweeperOf({}, 7).empty());
}

TEST_CASE("the more nodes there are, the less often each looks") {
  CHECK(periodOf({}, 3) == 60s);
  CHECK(periodOf({}, 300) == 60s);
  CHECK(periodOf({}, 1000) == 200s);
}

TEST_CASE("who is refused waits longer each time, and not as long as the others") {
  const Outcome throttled{Kind::throttled, ""};
  CHECK(backOff({}, throttled, 1, 3, 1) == 1s);
  CHECK(backOff({}, throttled, 1, 3, 0) == 100ms);
  CHECK(backOff({}, throttled, 4, 3, 1) == 8s);
  CHECK(backOff({}, throttled, 1000, 3, 1) == 30s);
  CHECK(backOff({}, {Kind::quota, ""}, 1000, 3, 1) == 60s);
  CHECK(backOff({}, throttled, 1000, 1000, 1) == 100s);
  Outcome told = throttled;
  told.after = 90s;
  CHECK(backOff({}, told, 1, 3, 1) == 90s);
}

}  // namespace
}  // namespace twill::cloud
