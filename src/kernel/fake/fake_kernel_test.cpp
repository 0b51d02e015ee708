// SPDX-License-Identifier: Apache-2.0
#include "kernel/fake/fake_kernel.hpp"

#include <doctest/doctest.h>

#include "kernel_conformance.hpp"

using namespace twill;
using conformance::follow;
using conformance::ip;
using conformance::names;
using conformance::net;
using conformance::node;
using conformance::settled;

namespace {

/// One turn of what the agent does: look, compare, act.
std::vector<Result<void>> converge(FakeKernel& kernel) {
  return kernel.apply(diff(node(), conformance::read(kernel)).operations);
}

}  // namespace

TEST_CASE("the fake keeps the rules that Linux keeps") {
  for (const auto& rule : conformance::kRules) {
    FakeKernel kernel;
    conformance::check(rule, kernel, nullptr);
  }
}

TEST_CASE("a network card is foreign, up, and has connected routes") {
  FakeKernel kernel;
  kernel.plugCard("eth0", {"10.0.0.10/24", "fd00::10/64"});
  const auto& link = kernel.all().links.at("eth0");
  CHECK(link.up);
  CHECK_FALSE(link.ours());
  CHECK(kernel.all().routes.at({net("10.0.0.0/24"), 0}).source == ip("10.0.0.10"));
  CHECK(kernel.all().addresses.size() == 4);
}

TEST_CASE("every kind of damage by others is noticed and can be repaired") {
  FakeKernel kernel;
  auto state = settled(kernel);
  kernel.clearLog();
  (void)kernel.byOthers(Verb::remove, conformance::route("172.16.1.0/24", "172.16.0.20", 2001));
  (void)kernel.byOthers(Verb::remove, conformance::neighbour("fd42::9"));
  (void)kernel.byOthers(Verb::remove, conformance::address("fd42::1/64"));
  (void)kernel.changeLink("twill0", [](Link& link) { link.mtu = 1300, link.up = false; });
  (void)kernel.changeLink("twill0", [](Link& link) { link.up = true; });
  (void)kernel.byOthers(Verb::change, Sysctl{.path = "net/ipv4/ip_forward", .value = "0"});
  CHECK(kernel.log().empty());
  state = follow(kernel, std::move(state));
  CHECK(diff(node(), state).operations.size() == 12);
  for (const auto& result : converge(kernel)) CHECK(result);
  CHECK(names(diff(node(), follow(kernel, std::move(state))).operations) == "");
}

TEST_CASE("a flushed firewall is noticed, and rules come back as their fingerprints") {
  FakeKernel kernel;
  Firewall table;
  table.chains["c"] = {"type nat hook postrouting priority srcnat", {"return"}};
  conformance::mustApply(kernel, Verb::add, table);
  auto state = conformance::read(kernel);
  CHECK(state.firewalls.at(kTable).chains.at("c").rules == std::vector<std::string>{ruleId("return")});
  (void)kernel.byOthers(Verb::remove, Firewall{});
  CHECK(kernel.drain(state, conformance::kInterest) == Kernel::Drained::changed);
  CHECK(state.firewalls.empty());
}

TEST_CASE("operations can be refused a number of times, and the log tells") {
  FakeKernel kernel;
  (void)settled(kernel);
  kernel.clearLog();
  const auto broken = conformance::route("172.17.0.0/24", "172.16.0.20");
  kernel.refuse(
      [](const Operation& operation) { return describe(operation).find("172.17") != std::string::npos; },
      Error{.text = "out of memory", .code = ENOMEM}, 2);
  CHECK_FALSE(conformance::applyOne(kernel, Verb::add, broken));
  const auto outcome = conformance::applyOne(kernel, Verb::add, broken);
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().text == "add route 172.17.0.0/24 via 172.16.0.20 dev twill0: out of memory");
  CHECK(conformance::applyOne(kernel, Verb::add, broken));
  const std::string line = "add route 172.17.0.0/24 via 172.16.0.20 dev twill0";
  CHECK(kernel.log() == std::vector<std::string>{"refused: " + line, "refused: " + line, line});
}

TEST_CASE("after lost notifications only a new look helps") {
  FakeKernel kernel;
  auto state = settled(kernel);
  (void)kernel.byOthers(Verb::remove, conformance::neighbour("fd42::9"));
  kernel.loseNotifications();
  CHECK(conformance::isNotified(kernel, 0));
  CHECK(kernel.drain(state, conformance::kInterest) == Kernel::Drained::lost);
  CHECK(names(diff(node(), state).operations) == "");
  CHECK(diff(node(), conformance::read(kernel)).operations.size() == 1);
  CHECK(kernel.reads() == 3);
}

TEST_CASE("ten thousand routes are no burden") {
  FakeKernel kernel;
  (void)settled(kernel);
  std::vector<Operation> operations;
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    auto route = conformance::route("10.0.0.0/24", "172.16.0.20", i + 1);
    route.dst = net("10.0.0.0/8").subnet(24, i);
    operations.push_back({Verb::add, route});
  }
  for (const auto& result : kernel.apply(operations)) REQUIRE(result);
  CHECK(kernel.all().routes.size() > 10'000);
}
