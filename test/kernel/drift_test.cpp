// SPDX-License-Identifier: Apache-2.0
// Whatever somebody does to the node comes by notification: what drain() makes of it is what read() says, and
// the difference to what is wanted puts it right.
#include <array>
#include <chrono>
#include <random>
#include <thread>

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <poll.h>

#include "node.hpp"

namespace twill::test {
namespace {

struct Damage {
  const char* what;
  const char* command;
};

/// Each undoes something of wantedNode() plus the container "tw1".
constexpr std::array kDamages{
    Damage{"a route deleted", "ip route del 172.16.1.0/24"},
    Damage{"an IPv6 route deleted", "ip -6 route del fd00:2::/32"},
    Damage{"a blackhole deleted", "ip route del blackhole 172.31.0.0/16"},
    Damage{"a route sent elsewhere", "ip route replace 172.16.1.0/24 via 10.0.0.99 proto 116 metric 7"},
    Damage{"an IPv6 route sent elsewhere", "ip -6 route replace fd00:1::/32 via fc00::99 proto 116"},
    Damage{"an address deleted", "ip addr del 172.16.0.1/24 dev twill0"},
    Damage{"an IPv6 address deleted", "ip addr del fd00::1/64 dev twill0"},
    Damage{"all addresses flushed", "ip addr flush dev twill0"},
    Damage{"a neighbour deleted", "ip neigh del 172.16.0.9 dev twill0"},
    Damage{"an IPv6 neighbour deleted", "ip neigh del fd00::9 dev twill0"},
    Damage{"a neighbour with another MAC", "ip neigh replace 172.16.0.9 lladdr 02:00:00:00:00:99 dev twill0"},
    Damage{"a neighbour made temporary",
           "ip neigh replace 172.16.0.9 lladdr 0a:58:ac:10:00:09 dev twill0 nud reachable"},
    Damage{"the bridge set down", "ip link set twill0 down"},
    Damage{"the bridge set down and up", "ip link set twill0 down; ip link set twill0 up"},
    Damage{"the bridge deleted", "ip link del twill0"},
    Damage{"the bridge with another MAC", "ip link set twill0 address 02:00:00:00:00:99"},
    Damage{"the bridge with another MTU", "ip link set twill0 mtu 1300"},
    Damage{"the underlay set down and up",
           "ip link set eth0 down; ip link set eth0 up; ip addr replace fc00::10/64 dev eth0 nodad"},
    Damage{"the underlay's only address taken and given again",
           "a=$(ip -o -4 addr show dev eth0 | awk '{print $4}'); ip addr del $a dev eth0; ip addr add $a dev "
           "eth0"},
    Damage{"a container's veth set down", "ip link set tw1 down"},
    Damage{"a container's veth taken off the bridge", "ip link set tw1 nomaster"},
    Damage{"a container's veth on another bridge",
           "ip link add theirs type bridge; ip link set tw1 master theirs"},
    Damage{"a container's veth without hairpin", "ip link set tw1 type bridge_slave hairpin off"},
    Damage{"a container's veth with another MTU", "ip link set tw1 mtu 1200"},
    Damage{"a container's veth with another MAC", "ip link set tw1 address 02:00:00:00:00:99"},
    Damage{"a container's veth deleted", "ip link del tw1"},
    Damage{"forwarding turned off", "sysctl -qw net.ipv4.ip_forward=0"},
    Damage{"the ruleset flushed", "nft flush ruleset"},
    Damage{"a rule deleted", "nft flush chain inet twill postrouting"},
    Damage{"a rule added", "nft add rule inet twill postrouting counter"},
    Damage{"an element deleted", "nft delete element inet twill cluster { 192.168.7.7 }"},
    Damage{"a set added", "nft add set inet twill more { type ipv4_addr\\; }"},
    Damage{"an element of a map deleted", "nft delete element inet twill ports { tcp . 8080 }"},
    Damage{"an element of a map that leads elsewhere",
           "nft 'delete element inet twill ports { tcp . 8080 }; add element inet twill ports { tcp . 8080 : "
           "172.16.0.6 . 80 }'"},
    Damage{"an element of a map added", "nft add element inet twill ports { tcp . 1 : 172.16.0.5 . 80 }"},
    Damage{"a map flushed", "nft flush map inet twill ports"},
    Damage{
        "a map replaced by one of another type",
        "nft 'delete table inet twill; table inet twill { map ports { type inet_service : ipv4_addr; comment "
        "\"elements come and go one by one\"; elements = { 80 : 1.2.3.4 }; }; }'"},
    Damage{"a table deleted", "nft delete table inet twill"},
    Damage{"the bridge's table deleted", "nft delete table bridge twill"},
    Damage{"a set of the bridge's table flushed", "nft flush set bridge twill own"},
    Damage{"everything at once",
           "ip link del twill0; ip link del tw1; nft flush ruleset; ip route flush proto 116"},
};

bool readable(int fd, int milliseconds) {
  pollfd waiting{.fd = fd, .events = POLLIN};
  return ::poll(&waiting, 1, milliseconds) == 1;
}

/// Follows until nothing more is to be done; the number of rounds is bounded.
void repair(LinuxKernel& kernel, const KernelState& wanted, KernelState& state) {
  for (int round = 0; round < 5; ++round) {
    const auto operations = diff(wanted, state).operations;
    if (operations.empty()) return;
    mustApply(kernel, operations);
    follow(kernel, state);
  }
}

/// The drained state has to become what a fresh reader sees; a moment is allowed for what the kernel does by
/// itself later on, duplicate address detection above all.
void checkUpToDate(LinuxKernel& kernel, KernelState& state) {
  std::string apart = "never compared";
  for (int attempt = 0; attempt < 50 && !apart.empty(); ++attempt) {
    if (attempt > 0) std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const auto fresh = mustRead(*openKernel());
    follow(kernel, state);
    apart = differences(state, fresh);
  }
  CHECK(apart == "");
}

}  // namespace

TEST_CASE("every kind of drift comes by notification and is put right") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  makeUnderlay();
  sh("ip netns add c1");
  auto wanted = wantedNode();
  wanted.put(wantedVeth("tw1", "c1", 5));
  const auto kernel = openKernel();
  auto state = mustRead(*kernel);
  repair(*kernel, wanted, state);
  checkUpToDate(*kernel, state);
  const bool bridgeFamily = hasBridgeFamily();
  for (const auto& damage : kDamages) {
    CAPTURE(damage.what);
    if (!bridgeFamily && std::string_view(damage.command).find("bridge twill") != std::string_view::npos)
      continue;
    CHECK(leftToDo(wanted, state) == "");
    sh(damage.command);
    CHECK(readable(kernel->notifyFd(), 1000));
    follow(*kernel, state);
    CHECK_FALSE(diff(wanted, state).empty());
    repair(*kernel, wanted, state);
    checkUpToDate(*kernel, state);
    CHECK(leftToDo(wanted, state) == "");
    sh("ip link del theirs 2>/dev/null || true");
    checkUpToDate(*kernel, state);
  }
}

TEST_CASE("after a thousand random changes the followed state is what a fresh read says") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  makeUnderlay();
  sh("for i in 1 2 3; do ip link add b$i type bridge; ip link set b$i up; done");
  const auto kernel = openKernel();
  auto state = mustRead(*kernel);
  std::mt19937 random(20240229);  // any seed; the same on each run
  const auto pick = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  const auto change = [&]() -> std::string {
    const auto verb = std::array{"add", "del", "replace", "append"}[static_cast<std::size_t>(pick(4))];
    const int b = 1 + pick(3);
    switch (pick(9)) {
      case 0:
        return fmt::format("link set b{} {}", b, pick(2) == 0 ? "up" : "down");
      case 1:
        return fmt::format("address {} 172.16.{}.{}/24 dev b{}", pick(2) == 0 ? "add" : "del", b, 1 + pick(2),
                           b);
      case 2:
        return fmt::format("address {} fd00:{}::{}/64 dev b{} nodad", pick(2) == 0 ? "add" : "del", b,
                           1 + pick(2), b);
      case 3:
        return fmt::format("neigh {} 172.16.{}.9 lladdr 02:00:00:00:00:0{} dev b{} nud {}",
                           pick(2) == 0 ? "replace" : "del", b, pick(5), b,
                           pick(2) == 0 ? "permanent" : "stale");
      case 4:
        return fmt::format("link set b{} name b{}", b, 1 + pick(4));
      case 5:
        return pick(2) == 0 ? fmt::format("link add b{} type bridge", b) : fmt::format("link del b{}", b);
      case 6:
        return fmt::format("link set b{} mtu {}", b, 1300 + pick(3));
      case 7:
        return fmt::format("-6 route {} fd00:9:{}::/48 via fe80::{} dev b{} proto {} metric {}", verb,
                           pick(3), 1 + pick(3), b, pick(2) == 0 ? 116 : 99, 10 + pick(2));
      default:
        return fmt::format("route {} 172.20.{}.0/24 {} dev b{} proto {} metric {}{}", verb, pick(3),
                           pick(2) == 0 ? "scope link" : "via 9.9.9.9 onlink", b, pick(2) == 0 ? 116 : 99,
                           10 + pick(2), pick(3) == 0 ? fmt::format(" src 172.16.{}.1", b) : "");
    }
  };
  for (int round = 0; round < 50; ++round) {
    std::string batch;
    for (int i = 0; i < 20; ++i) batch += change() + '\n';
    CAPTURE(round);
    CAPTURE(batch);
    sh("ip -batch - -force 2>/dev/null <<'END' || true\n" + batch + "END");
    follow(*kernel, state);
    checkUpToDate(*kernel, state);
  }
}

TEST_CASE("a kernel in which nothing of interest happens costs no work") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  makeUnderlay();
  const auto kernel = openKernel();
  const auto wanted = wantedNode();
  auto state = mustRead(*kernel);
  repair(*kernel, wanted, state);
  checkUpToDate(*kernel, state);
  // The kernel may still have news of its own (linkwatch, duplicate address detection), but not each time.
  auto drained = Kernel::Drained::changed;
  for (int attempt = 0; attempt < 30 && drained != Kernel::Drained::nothing; ++attempt) {
    if (attempt > 0) std::this_thread::sleep_for(std::chrono::milliseconds(100));
    follow(*kernel, state);
    // Of no interest: routes elsewhere, neighbours that come and go, tables of others.
    sh("ip route replace 8.8.8.0/24 via 10.0.0.7; ip route replace 172.16.77.0/24 via 10.0.0.7 table 9\n"
       "ip neigh replace 10.0.0.7 lladdr 02:00:00:00:00:07 dev eth0 nud stale\n"
       "nft add table ip other; nft add chain ip other c\n"
       "ip route del 8.8.8.0/24; ip route del 172.16.77.0/24 table 9; ip neigh del 10.0.0.7 dev eth0\n"
       "nft delete table ip other");
    CHECK(readable(kernel->notifyFd(), 1000));
    drained = kernel->drain(state, kCluster);
  }
  CHECK(drained == Kernel::Drained::nothing);
}

}  // namespace twill::test
