// SPDX-License-Identifier: Apache-2.0
// What LinuxKernel reads is what `ip` made, and what it applies is what `ip` shows.
#include <doctest/doctest.h>

#include "kernel/linux.hpp"
#include "sandbox.hpp"

namespace twill {
namespace {

using test::Sandbox;
using test::sh;

IpAddress ip(std::string_view text) {
  return IpAddress::parse(text).value();
}
Prefix net(std::string_view text) {
  return Prefix::parse(text).value();
}
InterfaceAddress on(std::string_view text) {
  return InterfaceAddress::parse(text).value();
}
MacAddress mac(std::string_view text) {
  return MacAddress::parse(text).value();
}

const Interest kCluster{.networks = {net("172.16.0.0/12"), net("fd00::/16")},
                        .sysctls = {"net/ipv4/ip_forward", "net/ipv4/no_such_thing"}};

std::unique_ptr<LinuxKernel> openKernel() {
  auto kernel = LinuxKernel::open();
  REQUIRE_MESSAGE(kernel, (kernel ? "" : kernel.error().text));
  return std::move(*kernel);
}

KernelState mustRead(LinuxKernel& kernel, const Interest& interest = kCluster) {
  auto state = kernel.read(interest);
  REQUIRE_MESSAGE(state, (state ? "" : state.error().text));
  return std::move(*state);
}

/// Applies them; all must succeed.
void mustApply(LinuxKernel& kernel, const std::vector<Operation>& operations) {
  for (const auto& result : kernel.apply(operations))
    CHECK_MESSAGE(result, (result ? "" : result.error().text));
}

/// What the cluster's node holds, one of each kind in both families.
KernelState wantedNode() {
  KernelState wanted;
  wanted.put(Sysctl{.path = "net/ipv4/ip_forward", .value = "1"});
  wanted.put(Link{.name = "twill0",
                  .kind = LinkKind::bridge,
                  .alias = "twill:bridge",
                  .mtu = 1450,
                  .mac = mac("0a:58:ac:10:00:01")});
  wanted.put(Address{.link = "twill0", .address = on("172.16.0.1/24")});
  wanted.put(Address{.link = "twill0", .address = on("fd00::1/64")});
  wanted.put(Neighbour{.link = "twill0", .address = ip("172.16.0.9"), .mac = mac("0a:58:ac:10:00:09")});
  wanted.put(Neighbour{.link = "twill0", .address = ip("fd00::9"), .mac = mac("0a:58:ac:10:00:09")});
  wanted.put(
      Route{.dst = net("172.16.1.0/24"), .metric = 7, .link = "eth0", .via = ip("10.0.0.20"), .mtu = 1400});
  wanted.put(Route{.dst = net("172.16.2.0/24"),
                   .link = "eth0",
                   .via = ip("192.168.99.9"),
                   .source = ip("172.16.0.1"),
                   .onlink = true});
  wanted.put(Route{.dst = net("172.16.3.7/32"), .link = "twill0"});
  wanted.put(Route{.dst = net("172.31.0.0/16"), .type = RouteType::blackhole});
  wanted.put(Route{.dst = net("fd00:1::/32"), .link = "eth0", .via = ip("fc00::20"), .mtu = 1300});
  wanted.put(Route{.dst = net("fd00:2::/32"), .metric = 9, .link = "eth0", .via = ip("fe80::20")});
  wanted.put(Route{.dst = net("fd00:3::/32"), .type = RouteType::unreachable});
  return wanted;
}

void makeUnderlay() {
  sh("ip link add eth0 type veth peer name eth1; ip link set eth0 up; ip link set eth1 up\n"
     "ip addr add 10.0.0.10/24 dev eth0; ip addr add fc00::10/64 dev eth0 nodad\n"
     "ip route add default via 10.0.0.1 proto static");
}

}  // namespace

TEST_CASE("a whole node is made, read back as wanted, and removed without a trace") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  makeUnderlay();
  const auto kernel = openKernel();
  const auto wanted = wantedNode();
  const auto before = mustRead(*kernel);

  const auto difference = diff(wanted, before);
  CHECK(difference.obstacles.empty());
  CHECK(difference.operations.size() == 13);
  mustApply(*kernel, difference.operations);

  const auto after = mustRead(*kernel);
  for (const auto& operation : diff(wanted, after).operations) CHECK_MESSAGE(false, describe(operation));
  CHECK(after.links.at("twill0").mtu == 1450);
  CHECK(sh("ip route show 172.16.1.0/24")
            .find("172.16.1.0/24 via 10.0.0.20 dev eth0 proto 116 metric 7 mtu 1400") == 0);

  mustApply(*kernel, removals(wanted, after).operations);
  auto end = mustRead(*kernel);
  end.sysctls = before.sysctls;  // settings stay
  CHECK(end.links == before.links);
  CHECK(end.addresses == before.addresses);
  CHECK(end.routes == before.routes);
  CHECK(end.neighbours.empty());
}

TEST_CASE("a deleted route comes by notification, and then the kernel is quiet") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  makeUnderlay();
  const auto kernel = openKernel();
  const auto wanted = wantedNode();
  mustApply(*kernel, diff(wanted, mustRead(*kernel)).operations);
  auto state = mustRead(*kernel);
  CHECK(kernel->drain(state, kCluster) == Kernel::Drained::nothing);

  sh("ip route del 172.16.1.0/24");
  CHECK(kernel->drain(state, kCluster) == Kernel::Drained::changed);
  const auto repair = diff(wanted, state).operations;
  REQUIRE(repair.size() == 1);
  CHECK(describe(repair[0]) == "add route 172.16.1.0/24 via 10.0.0.20 dev eth0 metric 7 mtu 1400");
  mustApply(*kernel, repair);
  CHECK(kernel->drain(state, kCluster) == Kernel::Drained::changed);
  CHECK(diff(wanted, state).empty());
  CHECK(kernel->drain(state, kCluster) == Kernel::Drained::nothing);
}

}  // namespace twill
