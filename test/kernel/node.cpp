// SPDX-License-Identifier: Apache-2.0
#include "node.hpp"

#include <chrono>
#include <cstdlib>
#include <thread>

#include <doctest/doctest.h>
#include <fmt/format.h>

namespace twill::test {

const Interest kCluster{.networks = {net("172.16.0.0/12"), net("fd00::/16")},
                        .sysctls = {"net/ipv4/ip_forward", "net/ipv4/no_such_thing"}};

void makeUnderlay() {
  sh("ip link add eth0 type veth peer name eth1; ip link set eth0 up; ip link set eth1 up\n"
     "ip addr add 10.0.0.10/24 dev eth0; ip addr add fc00::10/64 dev eth0 nodad\n"
     "ip route add default via 10.0.0.1 proto static\n"
     "for i in $(seq 100); do ip -o link show eth0 | grep -q 'state UP' && exit; sleep 0.05; done; exit 1");
}

Link wantedTun() {
  return {.name = "twill-udp", .kind = LinkKind::tun, .alias = "twill:udp", .mtu = 1472};
}

Link wantedBridge() {
  return {.name = "twill0",
          .kind = LinkKind::bridge,
          .alias = "twill:bridge",
          .mtu = 1450,
          .mac = mac("0a:58:ac:10:00:01")};
}

Link wantedVeth(const std::string& name, const std::string& netns, int number) {
  const auto v4 = ip("172.16.0.0").plus(static_cast<std::uint64_t>(number));
  const auto v6 = ip("fd00::").plus(static_cast<std::uint64_t>(number));
  VethPeer peer{.netns = "/run/netns/" + netns,
                .name = "eth0",
                .mac = MacAddress::derive(name + " peer"),
                .addresses = {{v4, 24}, {v6, 64}},
                .routes = {{net("0.0.0.0/0"), ip("172.16.0.1")}, {net("::/0"), ip("fd00::1")}}};
  return {.name = name,
          .kind = LinkKind::veth,
          .alias = "twill:" + name,
          .mtu = 1450,
          .mac = MacAddress::derive(name),
          .master = "twill0",
          .hairpin = true,
          .peer = std::move(peer)};
}

bool hasBridgeFamily() {
  return std::system("nft 'add table bridge probe; delete table bridge probe' 2>/dev/null") == 0;  // NOLINT
}

KernelState wantedNode() {
  KernelState wanted;
  wanted.put(Sysctl{.path = "net/ipv4/ip_forward", .value = "1"});
  wanted.put(wantedBridge());
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
  wanted.put(Firewall{
      .chains = {{"postrouting",
                  {.hook = "type nat hook postrouting priority srcnat",
                   .rules = {"ip saddr @cluster ip daddr @cluster return", "ip saddr @cluster masquerade"}}}},
      .sets = {{"cluster",
                {.type = "ipv4_addr", .flags = "interval", .elements = {"172.16.0.0/12", "192.168.7.7"}}},
               {"ports", {.type = "inet_proto . inet_service : ipv4_addr . inet_service", .apart = true}}}});
  wanted.put(SetElement{.table = kTable, .set = "ports", .key = "tcp . 8080", .data = "172.16.0.5 . 80"});
  wanted.put(SetElement{.table = kTable, .set = "ports", .key = "udp . 53", .data = "172.16.0.5 . 53"});
  if (!hasBridgeFamily()) return wanted;
  wanted.put(Firewall{.table = kBridgeTable,
                      .chains = {{"check", {.rules = {"ether saddr . iifname != @own drop"}}},
                                 {"prerouting", {.hook = "type filter hook prerouting priority -300"}}},
                      .sets = {{"own", {.type = "ether_addr . ifname", .apart = true}}}});
  wanted.put(SetElement{.table = kBridgeTable, .set = "own", .key = "0a:58:ac:10:00:05 . tw1"});
  return wanted;
}

std::unique_ptr<LinuxKernel> openKernel() {
  auto kernel = LinuxKernel::open();
  REQUIRE_MESSAGE(kernel, (kernel ? "" : kernel.error().text));
  return std::move(*kernel);
}

KernelState mustRead(LinuxKernel& kernel) {
  auto state = kernel.read(kCluster);
  REQUIRE_MESSAGE(state, (state ? "" : state.error().text));
  return std::move(*state);
}

bool isSoonRunning(LinuxKernel& kernel, const std::string& link, bool running) {
  for (int attempt = 0; attempt < 100; ++attempt) {
    if (mustRead(kernel).links.at(link).running == running) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return false;
}

void mustApply(LinuxKernel& kernel, const std::vector<Operation>& operations) {
  for (const auto& result : kernel.apply(operations)) {
    CHECK_MESSAGE(result, (result ? "" : result.error().text));
  }
}

Operation add(Object object) {
  return {Verb::add, std::move(object)};
}

Operation remove(Object object) {
  return {Verb::remove, std::move(object)};
}

void follow(LinuxKernel& kernel, KernelState& state) {
  if (kernel.drain(state, kCluster) == Kernel::Drained::lost) state = mustRead(kernel);
}

namespace {

template <class Map>
void compare(const Map& a, const Map& b, std::string& out) {
  for (const auto& [key, object] : a) {
    const auto other = b.find(key);
    if (other == b.end()) {
      out += fmt::format("only in the first: {}\n", describe(Object(object)));
    } else if (!(other->second == object)) {
      out += fmt::format("not the same: {}\n", describe(Object(object)));
    }
  }
  for (const auto& [key, object] : b) {
    if (!a.contains(key)) out += fmt::format("only in the second: {}\n", describe(Object(object)));
  }
}

}  // namespace

std::string differences(const KernelState& a, const KernelState& b) {
  std::string out;
  compare(a.sysctls, b.sysctls, out);
  compare(a.links, b.links, out);
  compare(a.addresses, b.addresses, out);
  compare(a.neighbours, b.neighbours, out);
  compare(a.forwarding, b.forwarding, out);
  compare(a.rules, b.rules, out);
  compare(a.routes, b.routes, out);
  compare(a.firewalls, b.firewalls, out);
  compare(a.setElements, b.setElements, out);
  return out;
}

std::string leftToDo(const KernelState& wanted, const KernelState& actual) {
  std::string out;
  const auto difference = diff(wanted, actual);
  for (const auto& operation : difference.operations) out += describe(operation) + '\n';
  for (const auto& obstacle : difference.obstacles) out += obstacle.text + '\n';
  return out;
}

}  // namespace twill::test
