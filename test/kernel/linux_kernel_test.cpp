// SPDX-License-Identifier: Apache-2.0
// What LinuxKernel reads is what `ip` made, and what it applies is what `ip` shows.
#include <array>
#include <cerrno>
#include <chrono>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.hpp"
#include "node.hpp"
#include "skip.hpp"

namespace twill::test {
namespace {

/// Routes to 10.64.0.0/24 and on, via distinct next hops in 10.0.0.0/8 on eth0.
std::vector<Operation> manyRoutes(int count) {
  std::vector<Operation> out;
  for (int i = 0; i < count; ++i) {
    const auto n = static_cast<std::uint64_t>(i);
    out.push_back(add(Route{.dst = net("172.16.0.0/12").subnet(28, n),
                            .metric = static_cast<std::uint32_t>(i + 1),
                            .link = "eth0",
                            .via = ip("10.128.0.0").plus(n)}));
  }
  return out;
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
  CHECK(difference.operations.size() == (hasBridgeFamily() ? 18 : 16));
  mustApply(*kernel, difference.operations);

  const auto after = mustRead(*kernel);
  CHECK(leftToDo(wanted, after) == "");
  CHECK(after.links.at("twill0").mtu == 1450);
  CHECK(sh("ip route show 172.16.1.0/24").find("via 10.0.0.20 dev eth0 proto 116 metric 7 mtu 1400") !=
        std::string::npos);
  CHECK(sh("nft list table inet twill").find("ip saddr @cluster masquerade") != std::string::npos);

  mustApply(*kernel, diff({}, after).operations);
  auto end = mustRead(*kernel);
  end.sysctls = before.sysctls;  // settings stay
  CHECK(differences(before, end) == "");
}

TEST_CASE("what is ours and what is not is told by its mark") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  makeUnderlay();
  sh("ip link add theirs type bridge; ip link set theirs up\n"
     "ip addr add 172.16.9.1/24 dev theirs; ip neigh add 172.16.9.2 lladdr 02:00:00:00:00:02 dev theirs\n"
     "ip route add 172.20.0.0/24 dev theirs proto 99; ip route add 8.8.8.0/24 dev theirs proto 99\n"
     "ip route add 8.8.9.0/24 dev theirs proto 116; ip route add table 7 172.21.0.0/24 dev theirs");
  const auto kernel = openKernel();
  CHECK(isSoonRunning(*kernel, "eth0"));
  const auto state = mustRead(*kernel);
  CHECK_FALSE(state.links.at("theirs").ours());
  CHECK_FALSE(state.addresses.at({"theirs", on("172.16.9.1/24")}).ours());
  CHECK_FALSE(state.neighbours.at({"theirs", ip("172.16.9.2")}).ours());
  CHECK(state.routes.at({net("172.20.0.0/24"), 0}).protocol == 99);
  CHECK(state.routes.at({net("8.8.9.0/24"), 0}).ours());
  CHECK(state.routes.contains({net("0.0.0.0/0"), 0}));
  CHECK_FALSE(state.routes.contains({net("8.8.8.0/24"), 0}));     // not within the cluster's networks
  CHECK_FALSE(state.routes.contains({net("172.21.0.0/24"), 0}));  // not in the main table
  CHECK(state.links.at("lo").loopback);
  CHECK(state.sysctls.at("net/ipv4/ip_forward").value == "0");
  CHECK_FALSE(state.sysctls.contains("net/ipv4/no_such_thing"));
}

TEST_CASE("a second default route of the same metric is known by the interface that it leads over") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  makeUnderlay();
  sh("ip addr add 10.1.0.10/24 dev eth1; ip addr add fc01::10/64 dev eth1 nodad");
  const auto kernel = openKernel();
  auto state = mustRead(*kernel);
  const auto of = [&](const char* dst, std::uint32_t metric) { return state.routes.at({net(dst), metric}); };
  CHECK(of("0.0.0.0/0", 0).otherLink == "");

  sh("ip route append default via 10.1.0.1 dev eth1 proto static\n"
     "ip -6 route add default via fc00::1 dev eth0; ip -6 route append default via fc01::1 dev eth1");
  follow(*kernel, state);
  CHECK(of("0.0.0.0/0", 0).link == "eth0");
  CHECK(of("0.0.0.0/0", 0).otherLink == "eth1");
  CHECK(of("::/0", 1024).otherLink == (of("::/0", 1024).link == "eth0" ? "eth1" : "eth0"));
  CHECK(differences(state, mustRead(*kernel)) == "");

  sh("ip route del default via 10.1.0.1; ip -6 route del default via fc01::1");
  follow(*kernel, state);
  CHECK(of("0.0.0.0/0", 0).otherLink == "");
  CHECK(of("::/0", 1024).otherLink == "");

  sh("ip route replace default proto static nexthop via 10.0.0.1 dev eth0 nexthop via 10.1.0.1 dev eth1");
  follow(*kernel, state);
  CHECK(of("0.0.0.0/0", 0).otherLink == "eth1");
}

TEST_CASE("a failure in the middle of a batch hurts only itself and says why") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  makeUnderlay();
  const auto kernel = openKernel();
  const auto results = kernel->apply(std::vector{
      add(Route{.dst = net("172.16.1.0/24"), .link = "eth0", .via = ip("10.0.0.20")}),
      add(Route{.dst = net("172.16.2.0/24"), .link = "eth0", .via = ip("192.168.7.7")}),
      add(Address{.link = "nolink", .address = on("172.16.0.1/24")}),
      add(Route{.dst = net("fd00:1::/32"), .link = "eth0", .via = ip("fc00::20")}),
      add(Sysctl{.path = "net/ipv4/no_such_thing", .value = "1"}),
      add(Sysctl{.path = "../etc/passwd", .value = "1"}),
      add(Link{.name = "a name too long for a link", .kind = LinkKind::bridge, .alias = "twill:x"}),
      add(Route{.dst = net("172.16.3.0/24"), .link = "eth0", .via = ip("10.0.0.30")})});
  REQUIRE(results.size() == 8);
  CHECK(results[0]);
  CHECK(results[3]);
  CHECK(results[7]);
  CHECK(results[1].error().text ==
        "add route 172.16.2.0/24 via 192.168.7.7 dev eth0: the kernel refused: Network is unreachable "
        "(Nexthop has invalid gateway)");
  CHECK(results[2].error().text ==
        "add address 172.16.0.1/24 dev nolink: there is no interface nolink: No such device");
  CHECK(results[2].error().kind == Error::Kind::missing);
  CHECK(results[4].error().text.find("/proc/sys/net/ipv4/no_such_thing") != std::string::npos);
  CHECK(results[5].error().kind == Error::Kind::invalid);
  CHECK(results[6].error().kind == Error::Kind::invalid);
  CHECK(mustRead(*kernel).routes.contains({net("172.16.3.0/24"), 0}));
}

TEST_CASE("adding what is there with the same content is done, and removing what is gone too") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  makeUnderlay();
  const auto kernel = openKernel();
  const auto wanted = wantedNode();
  const auto additions = diff(wanted, mustRead(*kernel)).operations;
  mustApply(*kernel, additions);
  mustApply(*kernel, additions);
  const auto removals = diff({}, mustRead(*kernel)).operations;
  mustApply(*kernel, removals);
  mustApply(*kernel, removals);
}

TEST_CASE("what somebody else has in the same place is an error that names it, and stays as it is") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  makeUnderlay();
  sh("ip link add twill0 type bridge; ip link set twill0 alias theirs\n"
     "ip route add 172.16.1.0/24 via 10.0.0.77 proto 99; ip -6 route add fd00:1::/32 via fc00::77 proto 99\n"
     "ip addr add 172.16.0.1/24 dev eth0; ip addr add fd00::1/64 dev eth0 nodad");
  const auto kernel = openKernel();
  const auto before = mustRead(*kernel);
  const auto results = kernel->apply(std::vector{
      add(wantedBridge()), add(Route{.dst = net("172.16.1.0/24"), .link = "eth0", .via = ip("10.0.0.20")}),
      add(Route{.dst = net("fd00:1::/32"), .link = "eth0", .via = ip("fc00::20")}),
      // By mistake: the one that is there is not ours.
      remove(Route{.dst = net("172.16.1.0/24"), .link = "eth0", .via = ip("10.0.0.77")})});
  for (int i = 0; i < 3; ++i) {
    REQUIRE_FALSE(results[static_cast<std::size_t>(i)]);
    CHECK(results[static_cast<std::size_t>(i)].error().kind == Error::Kind::exists);
  }
  CHECK(results[0].error().text.find("the name is taken by a bridge") != std::string::npos);
  CHECK(results[1].error().text.find("via 10.0.0.77 dev eth0 (protocol 99) is there") != std::string::npos);
  CHECK(results[2].error().text.find("via fc00::77 dev eth0 metric 1024 (protocol 99) is there") !=
        std::string::npos);
  CHECK(results[3]);
  CHECK(differences(before, mustRead(*kernel)) == "");
}

TEST_CASE("objects of ours that differ are changed in place") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  makeUnderlay();
  const auto kernel = openKernel();
  auto wanted = wantedNode();
  mustApply(*kernel, diff(wanted, mustRead(*kernel)).operations);

  wanted.links["twill0"].mtu = 1400;
  wanted.links["twill0"].mac = mac("0a:58:00:00:00:02");
  wanted.neighbours.begin()->second.mac = mac("0a:58:00:00:00:03");
  for (auto& [key, route] : wanted.routes) {
    if (route.via && !route.onlink) route.mtu = 1234;
  }
  wanted.routes.at({net("172.31.0.0/16"), 0}).type = RouteType::prohibit;
  wanted.routes.at({net("172.16.1.0/24"), 7}).via = ip("10.0.0.21");
  wanted.routes.at({net("fd00:1::/32"), 1024}).via = ip("fc00::21");
  wanted.firewalls.at(kTable).sets["cluster"].elements = {"172.16.0.0/12"};
  const auto changes = diff(wanted, mustRead(*kernel)).operations;
  CHECK(changes.size() == 7);
  for (const auto& change : changes) CHECK(change.verb == Verb::change);
  mustApply(*kernel, changes);
  // A link with a new MAC loses its neighbours.
  mustApply(*kernel, diff(wanted, mustRead(*kernel)).operations);
  CHECK(leftToDo(wanted, mustRead(*kernel)) == "");
  CHECK(sh("ip -6 route show fd00:1::/32").find("fc00::20") == std::string::npos);
}

TEST_CASE(
    "a VXLAN device whose port is taken says so, leaves nothing behind, and can be had when it is free") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  makeUnderlay();
  const auto kernel = openKernel();
  const Link device{.name = "twill-vx7",
                    .kind = LinkKind::vxlan,
                    .alias = "twill:vxlan",
                    .vxlan = Vxlan{.vni = 7, .underlay = "eth0", .local = ip("10.0.0.10")}};
  {
    const Fd taken(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(8472), .sin_addr = {}, .sin_zero = {}};
    REQUIRE(::bind(taken.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    const auto results = kernel->apply(std::vector{add(device)});
    REQUIRE_FALSE(results[0]);
    CHECK(results[0].error().text.find("UDP port 8472 is in use") != std::string::npos);
    CHECK_FALSE(mustRead(*kernel).links.contains("twill-vx7"));
  }
  mustApply(*kernel, {add(device)});
  CHECK(mustRead(*kernel).links.at("twill-vx7").up);
}

TEST_CASE("a VXLAN device's checksum offload is made as wanted, and whoever changes it is noticed") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  makeUnderlay();
  const auto kernel = openKernel();
  const Link device{.name = "twill-vx7",
                    .kind = LinkKind::vxlan,
                    .alias = "twill:vxlan",
                    .vxlan = Vxlan{.vni = 7, .underlay = "eth0", .local = ip("10.0.0.10")},
                    .checksumOffload = false};
  KernelState wanted;
  wanted.put(device);
  mustApply(*kernel, {add(device)});
  const auto shown = [] { return sh("ethtool -k twill-vx7 | grep tx-checksum-ip-generic"); };
  CHECK(shown().find(": off") != std::string::npos);
  auto state = mustRead(*kernel);
  CHECK(leftToDo(wanted, state) == "");

  sh("ethtool -K twill-vx7 tx-checksum-ip-generic on");
  CHECK(kernel->drain(state, kCluster) == Kernel::Drained::changed);
  CHECK(leftToDo(wanted, state) == "change vxlan twill-vx7\n");
  mustApply(*kernel, diff(wanted, state).operations);
  CHECK(shown().find(": off") != std::string::npos);
  CHECK(kernel->driverOf("twill-vx7") == "vxlan");
  CHECK(kernel->driverOf("nolink") == "");
}

TEST_CASE(
    "asking for a driver makes no link, but for the one that the kernel brings with it, and says if there is "
    "none") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  const auto kernel = openKernel();
  const auto links = [&] {
    auto found = mustRead(*kernel).links;
    found.erase("tunl0");
    found.erase("sit0");
    return found.size();
  };
  const auto before = links();
  for (const auto& [kind, word] : {std::pair{LinkKind::ipip, "ipip"}, {LinkKind::sit, "sit"}}) {
    const auto there = kernel->hasDriver(kind);
    CHECK(links() == before);
    CHECK(kernel->hasDriver(kind).has_value() == there.has_value());
    const std::string make = fmt::format("ip link add probe type {} local 192.0.2.1", word);
    if (there) {
      (void)sh(make);
      CHECK(links() == before + 1);
      (void)sh("ip link del probe");
    } else {
      CHECK(there.error().text == fmt::format("the kernel has no driver {}", word));
      CHECK(sh(make + " 2>&1 || true").find("Unknown device type") != std::string::npos);
    }
  }
}

TEST_CASE("ten thousand routes are added, read, and removed, each in linear time") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  makeUnderlay();
  sh("ip addr add 10.1.1.1/8 dev eth0");
  const auto kernel = openKernel();
  const auto seconds = [&](int count) {
    const auto routes = manyRoutes(count);
    const auto start = std::chrono::steady_clock::now();
    mustApply(*kernel, routes);
    const auto added = std::chrono::steady_clock::now();
    const auto state = mustRead(*kernel);
    const auto done = std::chrono::steady_clock::now();
    auto ours = diff({}, state).operations;
    CHECK(ours.size() == static_cast<std::size_t>(count));
    const auto removing = std::chrono::steady_clock::now();
    mustApply(*kernel, ours);
    const auto removed = std::chrono::steady_clock::now();
    CHECK(diff({}, mustRead(*kernel)).empty());
    const auto ms = [](auto span) { return std::chrono::duration<double, std::milli>(span).count(); };
    MESSAGE(fmt::format("{} routes: add {:.1f} ms, read {:.1f} ms, remove {:.1f} ms", count,
                        ms(added - start), ms(done - added), ms(removed - removing)));
    return std::chrono::duration<double>(removed - start).count();
  };
  seconds(1000);
  double ratio = 0;
  for (int attempt = 0; attempt < 3 && (attempt == 0 || ratio >= 40); ++attempt) {  // the machine is shared
    const auto thousand = seconds(1000);
    ratio = seconds(10000) / thousand;
  }
  CHECK(ratio < 40);  // quadratic would be 100
}

TEST_CASE("more notifications than the kernel keeps for us are told as lost, and a read makes up for it") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  makeUnderlay();
  sh("ip addr add 10.1.1.1/8 dev eth0");
  const auto kernel = openKernel();
  mustApply(*kernel, {add(wantedNode().firewalls.at(kTable))});
  auto state = mustRead(*kernel);
  mustApply(*kernel, manyRoutes(60000));
  CHECK(kernel->drain(state, kCluster) == Kernel::Drained::lost);
  state = mustRead(*kernel);
  CHECK(diff({}, state).operations.size() == 60001);  // the table, too
  CHECK(kernel->drain(state, kCluster) != Kernel::Drained::lost);

  mustApply(*kernel, removals(state, state).operations);
  sh(fmt::format("nft delete table {}", kTable));
  CHECK(kernel->drain(state, kCluster) == Kernel::Drained::lost);
  state = mustRead(*kernel);
  CHECK(diff({}, state).operations.empty());
}

TEST_CASE("without the right to change the network it can be read, and errors say which right is missing") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  const auto child = ::fork();
  if (child == 0) {
    // A user namespace of its own has no rights over the network namespace that was there before.
    std::string told = ::unshare(CLONE_NEWUSER) == 0 ? "" : "no user namespaces";
    const auto kernel = told.empty() ? LinuxKernel::open() : fail("");
    if (kernel) {
      const auto state = (*kernel)->read(kCluster);
      if (state) told += fmt::format("{} links\n", state->links.size());
      for (const auto& result : (*kernel)->apply(
               std::vector{add(wantedBridge()), add(wantedNode().firewalls.at(kTable)), add(wantedTun())})) {
        told += result ? "done\n" : result.error().text + '\n';
      }
    }
    ::_exit(::write(ends[1], told.data(), told.size()) < 0 ? 1 : 0);
  }
  ::close(ends[1]);
  std::array<char, 4096> buffer{};
  std::string told;
  for (ssize_t size = 0; (size = ::read(ends[0], buffer.data(), buffer.size())) > 0;) {
    told.append(buffer.data(), static_cast<std::size_t>(size));
  }
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  if (told == "no user namespaces") return skip(told);
  INFO(told);
  CHECK(told.starts_with("1 links\nadd bridge twill0: "));
  const auto first = told.find("CAP_NET_ADMIN");
  CHECK(first != std::string::npos);
  CHECK(told.find("CAP_NET_ADMIN", first + 1) != std::string::npos);
  const auto tun = told.find("add tun twill-udp: ");
  REQUIRE(tun != std::string::npos);
  CHECK(told.find("CAP_NET_ADMIN", tun) != std::string::npos);
}

}  // namespace twill::test
