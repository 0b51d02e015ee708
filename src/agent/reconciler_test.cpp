// SPDX-License-Identifier: Apache-2.0
#include "agent/reconciler.hpp"

#include <doctest/doctest.h>

using namespace twill;
using namespace std::chrono_literals;

namespace {

Operation routeOf(const std::string& owner, const std::string& dst) {
  return {.verb = Verb::add, .object = Route{.dst = *Prefix::parse(dst), .link = "eth0", .owner = owner}};
}

std::vector<Operation> twoPeers() {
  return {routeOf("node2", "172.16.1.0/24"), routeOf("node2", "172.16.9.0/24"),
          routeOf("node3", "172.16.2.0/24")};
}

const TimePoint kStart{1h};

}  // namespace

TEST_CASE("a failing peer waits alone while the others go on") {
  Reconciler reconciler;
  auto all = twoPeers();
  std::vector<Result<void>> results = {fail("no such device"), {}, {}};
  CHECK(reconciler.due(all, kStart).size() == 3);
  reconciler.record(all, results, kStart);

  auto due = reconciler.due(all, kStart + 5ms);
  REQUIRE(due.size() == 1);
  CHECK(due.front().owner() == "node3");
  CHECK(reconciler.nextRetry() == kStart + 10ms);
  CHECK(reconciler.due(all, kStart + 10ms).size() == 3);
}

TEST_CASE("the delay doubles up to half a minute and ends with the first success") {
  Reconciler reconciler;
  std::vector<Operation> one = {routeOf("node2", "172.16.1.0/24")};
  std::vector<Result<void>> bad = {fail("no such device")};
  TimePoint now = kStart;
  std::chrono::nanoseconds last{};
  for (int i = 0; i < 40; ++i) {
    reconciler.record(one, bad, now);
    last = *reconciler.nextRetry() - now;
    now += last;
  }
  CHECK(last == 30s);
  CHECK(reconciler.failures().at("node2").attempts == 40);
  std::vector<Result<void>> good(1);
  reconciler.record(one, good, now);
  CHECK_FALSE(reconciler.nextRetry());
}

TEST_CASE("trouble that went away by itself is forgotten") {
  Reconciler reconciler;
  auto all = twoPeers();
  std::vector<Result<void>> results = {fail("x"), fail("x"), fail("x")};
  reconciler.record(all, results, kStart);
  reconciler.keepOnly(std::vector{all.back()});
  CHECK(reconciler.failures().size() == 1);
  CHECK(reconciler.failures().contains("node3"));
}

TEST_CASE("a change in the kernel lets everybody try again at once") {
  Reconciler reconciler;
  auto all = twoPeers();
  std::vector<Result<void>> results = {fail("x"), fail("x"), fail("x")};
  reconciler.record(all, results, kStart);
  CHECK(reconciler.due(all, kStart).empty());
  reconciler.retryAll(kStart);
  CHECK(reconciler.due(all, kStart).size() == 3);
}

TEST_CASE("a kernel that never rests does not undo the delay of who fails again and again") {
  Reconciler reconciler;
  std::vector<Operation> one = {routeOf("node2", "172.16.1.0/24")};
  std::vector<Result<void>> bad = {fail("no such device")};
  int tries = 0;
  for (TimePoint now = kStart; now < kStart + 10s; now += 1ms) {
    reconciler.retryAll(now);
    if (reconciler.due(one, now).empty()) continue;
    reconciler.record(one, bad, now);
    ++tries;
  }
  CHECK(tries < 20);
  CHECK(tries > 12);  // but what was in the way may have gone: it is looked at each second
}

TEST_CASE("who is undone as often as repaired waits alone and longer, until a repair has held") {
  Reconciler reconciler;
  std::vector<Operation> both = {routeOf("node2", "172.16.1.0/24"), routeOf("node3", "172.16.2.0/24")};
  std::vector<Operation> one = {both[0]};
  std::vector<Result<void>> good(1);
  int repairs = 0;
  TimePoint now = kStart;
  for (; now < kStart + 10s; now += 1ms) {
    if (reconciler.due(one, now).empty()) continue;
    reconciler.record(one, good, now);
    ++repairs;
  }
  CHECK(repairs < 25);
  auto due = reconciler.due(both, now);
  REQUIRE(due.size() == 1);
  CHECK(due[0].owner() == "node3");
  REQUIRE(reconciler.nextRetry());
  CHECK(*reconciler.nextRetry() <= now + 1s);

  now = *reconciler.nextRetry();
  reconciler.record(one, good, now);
  for (int i = 0; i < 4; ++i) {  // it holds, and later damage is repaired at once
    now += 3s;
    CHECK(reconciler.due(one, now).size() == 1);
    reconciler.record(one, good, now);
  }
}

TEST_CASE("damage that comes ten times a second is repaired at once each time") {
  Reconciler reconciler;
  std::vector<Operation> one = {routeOf("node2", "172.16.1.0/24")};
  std::vector<Result<void>> good(1);
  for (int i = 0; i < 100; ++i) {
    TimePoint now = kStart + i * 100ms;
    CHECK(reconciler.due(one, now).size() == 1);
    reconciler.record(one, good, now);
  }
}
