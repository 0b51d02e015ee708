// SPDX-License-Identifier: Apache-2.0
// The kernel engine in one namespace; in another a peer that answers pings, as any that speaks flannel's udp
// would.
#include "tunnel/kernel_engine.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

#include "kernel/programs.hpp"
#include "sandbox.hpp"
#include "skip.hpp"

using namespace twill::tunnel;

namespace twill::test {
namespace {

constexpr const char* kPeer = R"(
import socket, struct
end = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)  # an IPv4 address is one of its, too
end.setsockopt(socket.SOL_UDP, 102, 1)  # UDP_NO_CHECK6_RX
end.bind(("::", 8285))
end.settimeout(10)
while True:
    packet, sender = end.recvfrom(65535)
    inner = bytearray(packet)
    inner[12:16], inner[16:20] = packet[16:20], packet[12:16]
    inner[20] = 0
    total = struct.unpack("!H", packet[22:24])[0] + 0x0800
    inner[22:24] = struct.pack("!H", (total & 0xffff) + (total >> 16))
    end.sendto(inner, sender)
)";

/// A flood of small packets, in one piece as twill-tunnel sends it, and after each piece a segment of TCP's
/// without the outer checksum, as from the programs.
constexpr const char* kFloodAndTcp = R"(
import socket, struct
def packet(protocol, content):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(content), 0, 0, 64, protocol, 0,
                       socket.inet_aton("172.16.1.2"), socket.inet_aton("172.16.0.2"))
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xffff) + (total >> 16)
    return head[:10] + struct.pack("!H", ~((total & 0xffff) + (total >> 16)) & 0xffff) + head[12:] + content
ends = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
ends[0].setsockopt(socket.SOL_UDP, 103, 300)  # UDP_SEGMENT
ends[1].setsockopt(socket.SOL_SOCKET, 11, 1)  # SO_NO_CHECK
flood = packet(socket.IPPROTO_UDP, struct.pack("!HHHH", 9, 9, 280, 0) + bytes(272)) * 10
segment = packet(socket.IPPROTO_TCP, struct.pack("!HHIIHHHH", 9, 9, 1, 0, 0x5010, 1000, 0, 0))
for _ in range(50):
    ends[0].sendto(flood, ("10.0.0.10", 8285))
    ends[1].sendto(segment, ("10.0.0.10", 8285))
)";

Peer node2() {
  return {.name = "node2",
          .endpoint = IpAddress::parse("10.0.0.20").value(),
          .prefixes = {Prefix::parse("172.16.1.0/24").value()},
          .partialChecksums = true};
}

Settings settings() {
  return {.device = "twill-udp",
          .port = 8285,
          .local4 = IpAddress::parse("10.0.0.10").value(),
          .local6 = IpAddress::parse("fd00::10").value(),
          .own = {Prefix::parse("172.16.0.0/24").value()}};
}

/// 172.16.0.2 lives here, 172.16.1.0/24 is behind 10.0.0.20.
struct Node {
  std::unique_ptr<Sandbox> sandbox = Sandbox::make();
  std::unique_ptr<Pump> pump;

  /// False: it cannot be made, and the reason has been given.
  bool make() {
    if (!sandbox) return false;
    if (::access("/dev/net/tun", R_OK | W_OK) != 0) {
      skip("/dev/net/tun is not there");
      return false;
    }
    sh("sysctl -qw net.ipv4.ip_forward=1 && ip netns add far && ip link add up0 type veth peer name wire0 "
       "netns far"
       " && ip address add 10.0.0.10/24 dev up0 && ip link set up0 up && ip address add 172.16.0.2/32 dev lo"
       " && ip -n far address add 10.0.0.20/24 dev wire0 && ip -n far link set wire0 up"
       " && ip address add fd00::10/64 dev up0 nodad && ip -n far address add fd00::20/64 dev wire0 nodad"
       " && sysctl -qw net.ipv6.conf.all.forwarding=1 && ip tuntap add dev twill-udp mode tun vnet_hdr && ip "
       "link set twill-udp mtu 1472 up"
       " && ip route add 172.16.1.0/24 dev twill-udp src 172.16.0.2");
    auto started = Pump::start(settings());
    REQUIRE(started);
    pump = std::move(*started);
    pump->setPeers({node2()});
    return true;
  }
  /// Null: the kernel takes no such programs, and the reason has been given.
  std::unique_ptr<KernelEngine> startEngine(bool floodsByUser = false) const {
    auto engine =
        KernelEngine::start(settings(), {.underlay = "up0", .floodsByUser = floodsByUser}, {node2()});
    if (engine) return std::move(*engine);
    skip(engine.error().text);
    return nullptr;
  }
  static bool pings(int size = 56) {
    sh(
        fmt::format("ip netns exec far timeout 60 python3 -c '{}' & p=$!; for i in $(seq 300); do ip netns "
                    "exec far ss -Hlun | "
                    "grep -q :8285 && break; sleep 0.1; done; ping -c3 -i0.2 -W2 -s{} 172.16.1.2 >/run/ping; "
                    "kill $p; wait",
                    kPeer, size));
    return sh("cat /run/ping").find(" 0% packet loss") != std::string::npos;
  }
};

}  // namespace

TEST_CASE("the kernel carries packets both ways, and counts them") {
  Node node;
  if (!node.make()) return;
  const auto engine = node.startEngine();
  if (!engine) return;
  CHECK(Node::pings());
  const auto numbers = engine->numbers().at("node2");
  CHECK(numbers.sentPackets == 3);
  CHECK(numbers.sentBytes == 3ULL * 84);
  CHECK(numbers.receivedPackets == 3);
  CHECK(node.pump->peers().peers()[0].counters->sentPackets == 0);
}

TEST_CASE(
    "the pair of links that puts segments together is there as long as the kernel engine has use for it") {
  Node node;
  if (!node.make()) return;
  const auto isThere = [] { return sh("ip link").find("twill-merged") != std::string::npos; };
  {
    const auto engine = node.startEngine();
    if (!engine) return;
    CHECK(engine->unmerged().empty());
    CHECK(isThere());
    const auto next = node.startEngine();
    next->takeOver(*engine);
  }
  CHECK_FALSE(isThere());
  {
    const auto before = node.startEngine();
    auto next = node.startEngine();
    next->takeOver(*before);
    CHECK(isThere());
  }
  CHECK_FALSE(isThere());
}

TEST_CASE("a kernel engine without its pair of links is made anew, and has it") {
  Node node;
  if (!node.make()) return;
  const auto engine = node.startEngine();
  if (!engine) return;
  CHECK(engine->isIntact());
  sh("ip link del twill-merge");
  CHECK_FALSE(engine->isIntact());
  const auto next = node.startEngine();
  next->takeOver(*engine);
  CHECK(next->isIntact());
  sh("ip link set twill-merged down");
  CHECK_FALSE(next->isIntact());
  {
    const auto last = node.startEngine();
    CHECK(last->isIntact());
  }
  sh("ip link add twill-merge type bridge");
  const auto without = node.startEngine();
  CHECK(without->unmerged().find("twill-merge") != std::string::npos);
  CHECK(Node::pings());
}

TEST_CASE("the outer header may be IPv6") {
  Node node;
  if (!node.make()) return;
  const auto engine = node.startEngine();
  if (!engine) return;
  Peer peer = node2();
  peer.endpoint = IpAddress::parse("fd00::20").value();
  REQUIRE(engine->setPeers({peer}));
  node.pump->setPeers({peer});
  CHECK(Node::pings());
  CHECK(engine->numbers().at("node2").sentPackets == 3);
  CHECK(engine->numbers().at("node2").receivedPackets == 3);
}

TEST_CASE("what user space has sent comes back by user space when that takes floods") {
  Node node;
  if (!node.make()) return;
  const auto engine = node.startEngine(true);
  if (!engine) return;
  CHECK(Node::pings());
  CHECK(engine->numbers().at("node2").sentPackets == 3);
  CHECK(engine->numbers().at("node2").receivedPackets == 0);
  CHECK(node.pump->peers().peers()[0].counters->receivedPackets == 3);
}

TEST_CASE("a flood that user space takes leaves the TCP of the same peer to the kernel") {
  Node node;
  if (!node.make()) return;
  const auto engine = node.startEngine(true);
  if (!engine) return;
  sh(fmt::format("ip netns exec far python3 -c '{}'", kFloodAndTcp));
  const auto& counters = *node.pump->peers().peers()[0].counters;
  for (int i = 0; i < 100 && counters.receivedPackets < 500; ++i) ::usleep(50'000);
  CHECK(counters.receivedPackets == 500);
  CHECK(engine->numbers().at("node2").receivedPackets == 50);
}

TEST_CASE("many small packets without a pause go by user space when that takes floods") {
  Node node;
  if (!node.make()) return;
  const auto engine = node.startEngine(true);
  if (!engine) return;
  const SocketAddress to(IpAddress::parse("172.16.1.2").value(), 9);
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  for (int i = 0; i < 20000; ++i)
    (void)::sendto(socket.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&to.storage), to.length);
  CHECK(engine->numbers().at("node2").sentPackets >= 64);
  CHECK(node.pump->peers().peers()[0].counters->sentPackets > 0);
}

TEST_CASE("who is no peer any more gets nothing, and one that is new does") {
  Node node;
  if (!node.make()) return;
  const auto engine = node.startEngine();
  if (!engine) return;
  Peer other = node2();
  other.name = "other";
  other.prefixes = {Prefix::parse("172.16.9.0/24").value()};
  REQUIRE(engine->setPeers({other}));
  node.pump->setPeers({other});
  CHECK_FALSE(Node::pings());
  CHECK(engine->numbers().at("other").sentPackets == 0);
  CHECK_FALSE(engine->numbers().contains("node2"));
  REQUIRE(engine->setPeers({node2(), other}));
  CHECK(Node::pings());
  CHECK(engine->numbers().at("node2").sentPackets == 3);
}

TEST_CASE("to a peer that would not complete checksums the kernel sends nothing, and takes what comes") {
  Node node;
  if (!node.make()) return;
  const auto engine = node.startEngine();
  if (!engine) return;
  Peer flannel = node2();
  flannel.partialChecksums = false;
  REQUIRE(engine->setPeers({flannel}));
  CHECK(Node::pings());
  CHECK(engine->numbers().at("node2").sentPackets == 0);
  CHECK(engine->numbers().at("node2").receivedPackets == 3);
}

TEST_CASE("programs that somebody took away are missed, and what is left behind is found") {
  Node node;
  if (!node.make()) return;
  auto engine = node.startEngine();
  if (!engine) return;
  const KernelEngine::Where where{.underlay = "up0"};
  CHECK(engine->serves(settings(), where));
  CHECK(engine->isIntact());
  CHECK_FALSE(engine->serves(settings(), {.underlay = "lo"}));
  sh("tc filter del dev up0 ingress pref 116");
  CHECK_FALSE(engine->isIntact());
  auto next = node.startEngine();
  REQUIRE(next);
  next->takeOver(*engine);
  engine.reset();
  CHECK(next->isIntact());
  const auto links = removePrograms(kTunnelPrograms);
  REQUIRE(links);
  CHECK(*links == std::vector<std::string>{"up0", "twill-udp", "twill-merged"});
  CHECK_FALSE(next->isIntact());
  CHECK(removePrograms(kTunnelPrograms)->empty());
}

TEST_CASE("the engine that ends leaves nothing, and a link that is missing is said to be") {
  Node node;
  if (!node.make()) return;
  auto engine = node.startEngine();
  if (!engine) return;
  engine.reset();
  CHECK(removePrograms(kTunnelPrograms)->empty());
  const auto none = KernelEngine::start(settings(), {.underlay = "none"}, {});
  REQUIRE_FALSE(none);
  CHECK(none.error().kind == Error::Kind::missing);
}

TEST_CASE("more peers than there was room for want another engine, which has it") {
  Node node;
  if (!node.make()) return;
  const auto engine = node.startEngine();
  if (!engine) return;
  std::vector<Peer> many(300, node2());
  for (std::size_t i = 0; i < many.size(); ++i) many[i].name = fmt::format("peer{}", i);
  const auto refused = engine->setPeers(many);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == Error::Kind::busy);
  CHECK(KernelEngine::start(settings(), {.underlay = "up0"}, many));
}

}  // namespace twill::test
