// SPDX-License-Identifier: Apache-2.0
// Containers' interfaces: made in one go in the container's namespace, or not at all.
#include "kernel/veth.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "kernel/netns.hpp"
#include "node.hpp"

namespace twill::test {
namespace {

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

/// The error of adding this link alone, and a check that nothing was left behind.
std::string refusal(LinuxKernel& kernel, const Link& link) {
  const auto before = mustRead(kernel).links.size();
  const auto results = kernel.apply(std::vector{add(link)});
  CHECK(mustRead(kernel).links.size() == before + (results[0] ? 1 : 0));
  return results[0] ? "" : results[0].error().text;
}

}  // namespace

TEST_CASE("a container gets its interface, addresses and routes in both families") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  sh("ip netns add c1; ip netns exec c1 sysctl -qw net.ipv6.conf.default.disable_ipv6=1");
  const auto kernel = openKernel();
  const auto veth = wantedVeth("tw1", "c1", 5);
  mustApply(*kernel, {add(wantedBridge()), add(Address{.link = "twill0", .address = on("172.16.0.1/24")}),
                      add(Address{.link = "twill0", .address = on("fd00::1/64")}), add(veth)});

  const auto host = mustRead(*kernel).links.at("tw1");
  CHECK(host.alias == "twill:tw1");
  CHECK(host.kind == LinkKind::veth);
  CHECK(host.up);
  CHECK(host.master == "twill0");
  CHECK(host.hairpin == true);
  CHECK(host.mtu == 1450);
  CHECK(host.mac == veth.mac);
  CHECK(isSoonRunning(*kernel, "tw1"));

  CHECK(has(sh("ip -d link show twill0"), "mcast_snooping 0"));
  const auto link = sh("ip -n c1 link show eth0");
  CHECK(has(link, "mtu 1450"));
  CHECK(has(link, veth.peer->mac.text()));
  CHECK(has(sh("ip -n c1 link show lo"), "UP"));
  CHECK(has(sh("ip -n c1 -4 addr show eth0"), "inet 172.16.0.5/24 brd 172.16.0.255"));
  const auto six = sh("ip -n c1 -6 addr show eth0");
  CHECK(has(six, "inet6 fd00::5/64"));
  CHECK_FALSE(has(six.substr(six.find("fd00::5"), 60), "tentative"));
  CHECK(has(sh("ip -n c1 route"), "default via 172.16.0.1 dev eth0"));
  CHECK(has(sh("ip -n c1 -6 route"), "default via fd00::1 dev eth0"));
  CHECK(has(sh("ping -c1 -W2 172.16.0.5"), "ttl=64"));
  CHECK(has(sh("ping -c1 -W2 fd00::5"), "ttl=64"));
  CHECK(has(six, "inet6 fe80::"));
  CHECK(has(sh("ip netns exec c1 sysctl net.ipv6.conf.eth0.accept_ra"), "= 0"));
}

TEST_CASE("a container with IPv4 alone says nothing by IPv6") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  sh("ip netns add c1");
  const auto kernel = openKernel();
  auto veth = wantedVeth("tw1", "c1", 5);
  veth.peer->addresses = {on("172.16.0.5/24")};
  veth.peer->routes.clear();
  mustApply(*kernel, {add(wantedBridge()), add(veth)});
  CHECK(isSoonRunning(*kernel, "tw1"));
  CHECK(sh("ip -n c1 -6 addr show eth0") == "");
  CHECK(has(sh("ip -n c1 -4 addr show eth0"), "172.16.0.5/24"));
}

TEST_CASE("a routed container needs no bridge: host routes and a next hop that is on no network") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  sh("ip netns add c1; ip link add up0 type bridge; ip link set up0 up; ip addr add 10.0.0.10/32 dev up0");
  auto veth = wantedVeth("tw1", "c1", 5);
  veth.master.reset();
  veth.hairpin.reset();
  veth.peer->addresses = {on("172.16.0.5/32"), on("fd00::5/128")};
  veth.peer->routes = {
      {net("169.254.1.1/32"), {}}, {net("0.0.0.0/0"), ip("169.254.1.1")}, {net("::/0"), ip("fe80::1")}};
  const auto kernel = openKernel();
  mustApply(*kernel, {add(veth), add(Sysctl{.path = "net/ipv4/conf/tw1/proxy_arp", .value = "1"}),
                      add(Sysctl{.path = "net/ipv4/neigh/tw1/proxy_delay", .value = "0"}),
                      add(Address{.link = "tw1", .address = on("fe80::1/64")}),
                      add(Route{.dst = net("172.16.0.5/32"), .link = "tw1"}),
                      add(Route{.dst = net("fd00::5/128"), .link = "tw1"}),
                      add(Sysctl{.path = "net/ipv4/ip_forward", .value = "1"})});
  CHECK(has(sh("ip -n c1 route"), "default via 169.254.1.1 dev eth0"));
  // The proxy answers only for what is reached elsewhere; a route by any other link will do.
  sh("ip route add default dev up0");
  CHECK(has(sh("ping -c1 -W2 172.16.0.5"), "ttl=64"));
  CHECK(has(sh("nsenter --net=/run/netns/c1 ping -c1 -W2 10.0.0.10"), "ttl=64"));
}

TEST_CASE("a container's rates hold in each direction, and a burst of any size fits") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  sh("ip netns add c1; ip netns add c2; ip netns add c3");
  const auto kernel = openKernel();
  auto limited = wantedVeth("tw1", "c1", 5);
  limited.rate = Rate{.bitsPerSecond = 8'000'000, .burstBits = 800'000};
  limited.peer->rate = Rate{.bitsPerSecond = 16'000'000, .burstBits = 1'600'000};
  auto endless = wantedVeth("tw2", "c2", 6);
  endless.rate = Rate{.bitsPerSecond = 80'000'000'000, .burstBits = 4'294'967'295};
  endless.peer->rate = Rate{.bitsPerSecond = 8'000'000, .burstBits = 4'294'967'295};
  mustApply(*kernel, {add(wantedBridge()), add(Address{.link = "twill0", .address = on("172.16.0.1/24")}),
                      add(limited), add(endless), add(wantedVeth("tw3", "c3", 7))});

  CHECK(sh("tc qdisc show dev tw1").starts_with("qdisc tbf "));
  CHECK(has(sh("tc qdisc show dev tw1"), "rate 8Mbit burst 100000b lat 25ms"));
  CHECK(has(sh("tc -n c1 qdisc show dev eth0"), "rate 16Mbit burst 200000b lat 25ms"));
  CHECK(has(sh("tc qdisc show dev tw2"), "rate 80Gbit burst 512Mb lat 25ms"));
  CHECK(has(sh("tc -n c2 qdisc show dev eth0"), "rate 8Mbit burst 250000Kb lat 25ms"));
  CHECK_FALSE(has(sh("tc qdisc show dev tw3"), "tbf"));
  CHECK(mustRead(*kernel).links.at("tw1").up);
  CHECK(isSoonRunning(*kernel, "tw1"));
  CHECK(has(sh("ping -c1 -W2 172.16.0.5"), "ttl=64"));
  CHECK(has(sh("tc -s qdisc show dev tw1"), " pkt (dropped 0"));
}

TEST_CASE("a veth that cannot be had says why and leaves nothing behind") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  sh("ip netns add c1; ip -n c1 link add taken type bridge; touch /run/netns/file; mkfifo /run/netns/fifo\n"
     "touch /run/netns/self; mount --bind /proc/$$/ns/net /run/netns/self; mkdir /run/netns/dir");
  const auto kernel = openKernel();
  mustApply(*kernel, {add(wantedBridge())});
  const auto with = [&](auto edit) {
    auto veth = wantedVeth("tw1", "c1", 5);
    edit(veth);
    return refusal(*kernel, veth);
  };
  CHECK(with([](Link& l) { l.peer->netns = "/run/netns/gone"; }) ==
        "add veth tw1: cannot open network namespace /run/netns/gone: No such file or directory");
  CHECK(has(with([](Link& l) { l.peer->netns = "/run/netns/file"; }),
            "/run/netns/file is not a network namespace"));
  CHECK(has(with([](Link& l) { l.peer->netns = "/run/netns/fifo"; }),
            "/run/netns/fifo is not a network namespace"));
  CHECK(has(with([](Link& l) { l.peer->netns = "/run/netns/dir"; }),
            "/run/netns/dir is not a network namespace"));
  CHECK(has(with([](Link& l) { l.peer->netns = "/proc/self/ns/mnt"; }), "is not a network namespace"));
  CHECK(has(with([](Link& l) { l.peer->netns = "/run/netns/self"; }), "the node's own network namespace"));
  CHECK(
      has(with([](Link& l) { l.peer->netnsId = "another"; }), "/run/netns/c1 is another network namespace"));
  CHECK(has(with([](Link& l) { l.peer->name = "taken"; }), "/run/netns/c1 has an interface taken already"));
  CHECK(has(with([](Link& l) { l.peer->name = "bad name"; }), "'bad name' cannot name an interface"));
  CHECK(has(with([](Link& l) { l.master = "nobridge"; }), "there is no interface nobridge"));
  CHECK(has(with([](Link& l) { l.mtu = 7; }), "add veth tw1: "));
  CHECK(
      has(with([](Link& l) {
            l.peer->routes.push_back({net("10.9.0.0/16"), ip("10.8.0.1")});
          }),
          "cannot add the route to 10.9.0.0/16 via 10.8.0.1 in /run/netns/c1: the kernel refused: Network is "
          "unreachable"));
  CHECK(has(with([](Link& l) { l.peer->addresses.push_back(on("ff02::1/64")); }),
            "cannot give eth0 the address ff02::1/64 in /run/netns/c1"));
  CHECK(has(with([](Link& l) { l.alias = std::string(300, 'x'); }), "add veth tw1: "));
  CHECK(with([](Link&) {}) == "");  // and as it should be, it goes
}

TEST_CASE("a namespace is known again by its id, and one that is gone or another is said by ESTALE") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  sh("ip netns add c1");
  const auto id = namespaceId(openNamespace("/run/netns/c1").value());
  CHECK(namespaceId(openNamespace("/run/netns/c1").value()) == id);
  CHECK(namespaceId(ownNamespace().value()) != id);
  const auto kernel = openKernel();
  auto veth = wantedVeth("tw1", "c1", 5);
  veth.master.reset();
  veth.hairpin.reset();
  const auto codeWith = [&](const std::string& path, const std::string& wantedId) {
    veth.peer->netns = path;
    veth.peer->netnsId = wantedId;
    const auto results = kernel->apply(std::vector{add(veth)});
    return results[0] ? 0 : results[0].error().code;
  };
  CHECK(codeWith("/run/netns/gone", id) == ESTALE);
  CHECK(codeWith("/run/netns/c1/gone", id) == ESTALE);
  CHECK(codeWith("/proc/thread-self/ns/net", "") == ESTALE);
  CHECK(codeWith("/run/netns/c1", "another") == ESTALE);
  CHECK(codeWith("/run/netns/c1", id) == 0);
}

TEST_CASE("a veth that its maker could not finish is finished by the next one") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  sh("ip netns add c1");
  const auto kernel = openKernel();
  KernelState wanted;
  wanted.put(wantedBridge());
  wanted.put(wantedVeth("tw1", "c1", 5));
  mustApply(*kernel, diff(wanted, mustRead(*kernel)).operations);
  // As a kill -9 right after the link was made leaves it.
  sh(fmt::format(
      "ip link set tw1 alias {} nomaster; ip -n c1 addr flush dev eth0; ip -n c1 link set eth0 down",
      kUnfinishedAlias));
  const auto operations = diff(wanted, mustRead(*kernel)).operations;
  REQUIRE(operations.size() == 1);
  CHECK(operations[0].verb == Verb::change);
  mustApply(*kernel, operations);
  CHECK(leftToDo(wanted, mustRead(*kernel)) == "");
  CHECK(has(sh("ip -n c1 addr show eth0"), "172.16.0.5/24"));
  CHECK(has(sh("ip -n c1 route"), "default via 172.16.0.1"));
}

TEST_CASE("a second interface's routes come behind the first one's, and both can be finished again") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  sh("ip netns add c1");
  const auto kernel = openKernel();
  KernelState wanted;
  wanted.put(wantedBridge());
  wanted.put(wantedVeth("tw1", "c1", 5));
  auto second = wantedVeth("tw2", "c1", 6);
  second.peer->name = "net1";
  wanted.put(second);
  mustApply(*kernel, diff(wanted, mustRead(*kernel)).operations);
  for (int round = 0; round < 2; ++round) {
    CHECK(sh("ip -n c1 route show default") ==
          "default via 172.16.0.1 dev eth0 proto 116 \n"
          "default via 172.16.0.1 dev net1 proto 116 metric 1 \n");
    const auto six = sh("ip -n c1 -6 route show default");
    CHECK(has(six, "default via fd00::1 dev eth0 proto 116 metric 1024"));
    CHECK(has(six, "default via fd00::1 dev net1 proto 116 metric 1025"));
    sh(fmt::format("for l in tw1 tw2; do ip link set $l alias {}; done", kUnfinishedAlias));
    mustApply(*kernel, diff(wanted, mustRead(*kernel)).operations);
  }
}

TEST_CASE("a container's routes have their attributes, and a priority that another route has is refused") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  sh("ip netns add c1");
  const auto kernel = openKernel();
  auto veth = wantedVeth("tw1", "c1", 5);
  ContainerRoute special{
      .dst = net("0.0.0.0/0"), .via = ip("172.16.0.1"), .mtu = 1400, .advmss = 1360, .priority = 50};
  ContainerRoute elsewhere{.dst = net("fd01::/64"), .via = ip("fd00::1"), .mtu = 1300, .table = 1000};
  ContainerRoute near{.dst = net("10.7.0.0/16"), .table = 200, .scope = 253};
  ContainerRoute global{.dst = net("10.6.0.0/16"), .scope = 0};
  veth.peer->routes = {special, elsewhere, near, global, special};
  mustApply(*kernel, {add(wantedBridge()), add(veth)});
  CHECK(sh("ip -n c1 route show default") ==
        "default via 172.16.0.1 dev eth0 proto 116 metric 50 mtu 1400 advmss 1360 \n");
  CHECK(has(sh("ip -n c1 -6 route show table 1000"),
            "fd01::/64 via fd00::1 dev eth0 proto 116 metric 1024 mtu 1300"));
  CHECK(sh("ip -n c1 route show table 200") == "10.7.0.0/16 dev eth0 proto 116 scope link \n");
  CHECK(sh("ip -n c1 route show 10.6.0.0/16") == "10.6.0.0/16 dev eth0 proto 116 \n");

  auto second = wantedVeth("tw2", "c1", 6);
  second.peer->name = "net1";
  second.peer->routes = {special};
  CHECK(has(refusal(*kernel, second),
            "cannot add the route to 0.0.0.0/0 via 172.16.0.1 in /run/netns/c1: another route there has its "
            "priority 50; choose another"));
  second.peer->routes[0].table = 1000;  // where there is none
  CHECK(refusal(*kernel, second) == "");
}

TEST_CASE("a container's namespace is read with the routes of every table") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  sh("ip netns add c1");
  const auto kernel = openKernel();
  const auto veth = wantedVeth("tw1", "c1", 5);
  mustApply(*kernel, {add(wantedBridge()), add(veth)});
  sh("ip -n c1 route del default; ip -n c1 route add default via 172.16.0.1 dev eth0 table 1000");
  const auto inside = readPeerNamespace(*veth.peer);
  REQUIRE(inside);
  CHECK(inside->state.links.contains("eth0"));
  CHECK(inside->state.addresses.contains({"eth0", on("172.16.0.5/24")}));
  for (const char* gateway : {"172.16.0.1", "fd00::1"}) {
    CHECK(std::count_if(inside->routes.begin(), inside->routes.end(), [&](const Route& route) {
            return route.dst.length() == 0 && route.via == ip(gateway) && route.link == "eth0";
          }) == 1);
  }
}

TEST_CASE("a change of the node's end leaves the container's own changes alone") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  sh("ip netns add c1");
  const auto kernel = openKernel();
  KernelState wanted;
  wanted.put(wantedBridge());
  wanted.put(wantedVeth("tw1", "c1", 5));
  mustApply(*kernel, diff(wanted, mustRead(*kernel)).operations);
  sh("ip link set tw1 nomaster; ip -n c1 addr del 172.16.0.5/24 dev eth0");
  mustApply(*kernel, diff(wanted, mustRead(*kernel)).operations);
  CHECK(leftToDo(wanted, mustRead(*kernel)) == "");
  CHECK_FALSE(has(sh("ip -n c1 addr show eth0"), "172.16.0.5"));
}

TEST_CASE("many containers go at once, and nobody else's link with them") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  const auto kernel = openKernel();
  KernelState wanted;
  wanted.put(wantedBridge());
  sh("for i in $(seq 1 40); do ip netns add c$i; done; ip link add theirs type bridge");
  for (int i = 1; i <= 40; ++i) wanted.put(wantedVeth(fmt::format("tw{}", i), fmt::format("c{}", i), 10 + i));
  mustApply(*kernel, diff(wanted, mustRead(*kernel)).operations);
  CHECK(leftToDo(wanted, mustRead(*kernel)) == "");

  sh("ip link del tw7");  // one of them is gone already
  auto removals = diff({}, mustRead(*kernel)).operations;
  CHECK(removals.size() == 40);
  removals.push_back(remove(wantedVeth("tw7", "c7", 17)));
  mustApply(*kernel, removals);
  const auto end = mustRead(*kernel);
  CHECK(end.links.size() == 2);
  CHECK(end.links.contains("theirs"));
}

TEST_CASE("a guard returns to the namespace it came from") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  sh("ip netns add c1; ip -n c1 link add inside type bridge");
  const auto home = ownNamespace();
  REQUIRE(home);
  {
    const auto netns = openNamespace("/run/netns/c1");
    REQUIRE(netns);
    const auto guard = NamespaceGuard::enter(*netns);
    REQUIRE(guard);
    CHECK(sameNamespace(*ownNamespace(), *netns));
    CHECK(has(sh("ip link"), "inside"));
  }
  CHECK(sameNamespace(*ownNamespace(), *home));
  CHECK_FALSE(has(sh("ip link"), "inside"));
  CHECK(openNamespace(::getpid()));
  CHECK_FALSE(openNamespace(pid_t{0}));
}

}  // namespace twill::test
