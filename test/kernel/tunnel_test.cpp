// SPDX-License-Identifier: Apache-2.0
// The pump with a real device and real sockets, in one namespace: the peer is a socket of the test's.
#include <atomic>
#include <chrono>
#include <thread>

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox.hpp"
#include "skip.hpp"
#include "tunnel/pump.hpp"
#include "tunnel/samples.hpp"

using namespace twill::tunnel;

namespace twill::test {
namespace {

/// What the test waits for at most, for one packet.
constexpr timeval kPatience{5, 0};

IpAddress ip(const char* text) {
  return IpAddress::parse(text).value();
}

Fd socketAt(const char* address, std::uint16_t port) {
  const SocketAddress where(ip(address), port);
  Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&where.storage), where.length) == 0);
  REQUIRE(::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience) == 0);
  return fd;
}

void send(const Fd& socket, const char* address, std::uint16_t port, Bytes packet) {
  const SocketAddress to(ip(address), port);
  CHECK(::sendto(socket.get(), packet.data(), packet.size(), 0,
                 reinterpret_cast<const sockaddr*>(&to.storage),
                 to.length) == static_cast<ssize_t>(packet.size()));
}

/// Empty when nothing came.
samples::Packet receive(const Fd& socket) {
  samples::Packet packet(65536);
  const ssize_t n = ::recv(socket.get(), packet.data(), packet.size(), 0);
  packet.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return packet;
}

/// What is sent is counted a little after it has been sent.
bool isSoon(const std::atomic<std::uint64_t>& counter, std::uint64_t number) {
  for (int i = 0; i < 5000 && counter != number; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return counter == number;
}

Peer node1() {
  return {.name = "node1", .endpoint = ip("127.0.0.2"), .prefixes = {Prefix::parse("172.16.0.0/24").value()}};
}

/// 172.16.1.2 lives here; 172.16.0.0/24 is behind 127.0.0.2.
std::unique_ptr<Pump> startPump() {
  sh("ip link set lo up && ip addr add 172.16.1.2/32 dev lo && ip tuntap add dev twill-udp mode tun vnet_hdr "
     "&& "
     "ip link set twill-udp mtu 1472 up && ip route add 172.16.0.0/24 dev twill-udp src 172.16.1.2");
  auto pump = Pump::start({.device = "twill-udp",
                           .port = 8285,
                           .local4 = ip("127.0.0.1"),
                           .local6 = {},
                           .own = {Prefix::parse("172.16.1.0/24").value()}});
  REQUIRE(pump);
  (*pump)->setPeers({node1()});
  // A little after somebody has attached the kernel notices (linkwatch), and drops what is sent before.
  sh("for i in $(seq 200); do ip link show twill-udp | grep -q 'state UP' && exit; sleep 0.01; done; exit 1");
  return std::move(*pump);
}

bool hasTun() {
  if (::access("/dev/net/tun", R_OK | W_OK) == 0) return true;
  skip("/dev/net/tun is not there");
  return false;
}

}  // namespace

TEST_CASE("what comes from a peer arrives, and what is sent to it is the bare packet") {
  const auto sandbox = Sandbox::make();
  if (!sandbox || !hasTun()) return;
  const auto pump = startPump();
  const Fd peer = socketAt("127.0.0.2", 8285);
  const Fd here = socketAt("172.16.1.2", 2000);

  const auto first = samples::udp(Family::v4, 7, 1000);
  send(peer, "127.0.0.1", 8285, first);
  CHECK(receive(here) == samples::Packet(1000, 7));

  send(here, "172.16.0.2", 1000, samples::Packet(500, 9));
  const auto packet = receive(peer);
  const auto inner = parseIp(packet);
  REQUIRE(inner);
  CHECK(packet.size() == 528);
  CHECK(hasSoundChecksum(*inner, packet));
  CHECK(pump->peers().peers()[0].counters->receivedBytes == first.size());
  CHECK(isSoon(pump->peers().peers()[0].counters->sentPackets, 1));
}

TEST_CASE("peers change while packets pass, in both directions, and none is lost or counted twice") {
  const auto sandbox = Sandbox::make();
  if (!sandbox || !hasTun()) return;
  const auto pump = startPump();
  const Fd peer = socketAt("127.0.0.2", 8285);
  const Fd here = socketAt("172.16.1.2", 2000);
  constexpr int kPackets = 500;
  std::thread changes([&] {
    for (int i = 0; i < kPackets; ++i) {
      Peer other = node1();
      other.name = "another";
      other.prefixes = {Prefix::parse("172.16.9.0/24").value()};
      pump->setPeers({node1(), std::move(other)});
    }
  });
  const auto request = samples::udp(Family::v4, 1, 100);
  int arrived = 0;
  for (int i = 0; i < kPackets; ++i) {
    send(peer, "127.0.0.1", 8285, request);
    if (receive(here).size() != 100) continue;
    send(here, "172.16.0.2", 1000, samples::Packet(100, 2));
    arrived += receive(peer).size() == 128 ? 1 : 0;
  }
  changes.join();
  CHECK(arrived == kPackets);
  CHECK(pump->peers().peers()[0].counters->receivedPackets == kPackets);
  CHECK(isSoon(pump->peers().peers()[0].counters->sentPackets, kPackets));
}

TEST_CASE("strangers are dropped and counted, and so is what is no packet") {
  const auto sandbox = Sandbox::make();
  if (!sandbox || !hasTun()) return;
  const auto pump = startPump();
  const Fd stranger = socketAt("127.0.0.3", 8285);
  const Fd peer = socketAt("127.0.0.2", 8285);
  const Fd here = socketAt("172.16.1.2", 2000);
  send(stranger, "127.0.0.1", 8285, samples::udp(Family::v4, 1, 10));
  send(peer, "127.0.0.1", 8285, samples::Packet(30, 0xff));
  send(peer, "127.0.0.1", 8285, samples::udp(Family::v4, 5, 10));
  CHECK(receive(here) == samples::Packet(10, 5));
  CHECK(pump->dropped().strangers == 1);
  CHECK(pump->dropped().malformed == 1);
}

TEST_CASE("a device that goes is told, a port that is taken is refused by its number") {
  const auto sandbox = Sandbox::make();
  if (!sandbox || !hasTun()) return;
  const auto pump = startPump();
  const auto second =
      Pump::start({.device = "twill-udp", .port = 1, .local4 = ip("127.0.0.1"), .local6 = {}, .own = {}});
  REQUIRE_FALSE(second);
  CHECK(second.error().text.find("another process has it") != std::string::npos);
  sh("ip link del twill-udp");
  pollfd broken{pump->brokenFd(), POLLIN, 0};
  REQUIRE(::poll(&broken, 1, 5000) == 1);
  CHECK(pump->error().find("the device") != std::string::npos);

  sh("ip tuntap add dev other mode tun vnet_hdr");
  const auto third =
      Pump::start({.device = "other", .port = 8285, .local4 = ip("127.0.0.1"), .local6 = {}, .own = {}});
  REQUIRE_FALSE(third);
  CHECK(third.error().text.find("UDP port 8285") != std::string::npos);
}

}  // namespace twill::test
