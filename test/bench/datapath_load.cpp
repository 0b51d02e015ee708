// SPDX-License-Identifier: Apache-2.0
// Load between two places, for the benchmark datapath:
//   datapath_load serve PORT                     until it is ended
//   datapath_load stream HOST PORT N SECONDS     N TCP streams: {"bytes": at the receiver, "seconds": ...}
//   datapath_load flood HOST PORT SECONDS        64-byte UDP: {"sent": ..., "received": ..., "seconds": ...}
//   datapath_load ask HOST PORT SECONDS tcp|udp  one byte there and back: {"rounds": ..., "seconds": ...}
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kPacket = 64 - 28;  // 64 bytes with IP and UDP header
constexpr unsigned kBatch = 32;

std::atomic<std::uint64_t> packets{0};

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

double since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

sockaddr_in addressOf(const char* host, int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  if (host != nullptr && ::inet_pton(AF_INET, host, &address.sin_addr) != 1) die(host);
  return address;
}

int open(int type, const sockaddr_in& address, bool server) {
  const int fd = ::socket(AF_INET, type | SOCK_CLOEXEC, 0);
  const int on = 1;
  if (fd < 0) die("socket");
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // What the machine has set would be measured, too.
  if (type == SOCK_STREAM && ::setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5) != 0)
    die("TCP_CONGESTION");
  const auto* where = reinterpret_cast<const sockaddr*>(&address);
  if ((server ? ::bind(fd, where, sizeof address) : ::connect(fd, where, sizeof address)) != 0)
    die("bind, connect");
  if (type == SOCK_STREAM && !server) ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

/// What a connection is for says its first byte: s counts what comes, e gives it back, c tells the packets.
void serveOne(int fd) {
  std::vector<char> buffer(1U << 18U);
  char kind = 0;
  std::uint64_t total = 0;
  if (::read(fd, &kind, 1) != 1) kind = 0;
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (kind == 'c') total = packets;
  while (kind == 's' || kind == 'e') {
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n <= 0) break;
    total += static_cast<std::uint64_t>(n);
    if (kind == 'e' && ::write(fd, buffer.data(), static_cast<std::size_t>(n)) != n) break;
  }
  if (::write(fd, &total, sizeof total) < 0) std::perror("answer");
  ::close(fd);
}

void countPackets(int fd) {
  std::array<std::array<char, 64>, kBatch> buffers;
  std::array<iovec, kBatch> parts;
  std::array<mmsghdr, kBatch> messages{};
  for (unsigned i = 0; i < kBatch; ++i) {
    parts[i] = {buffers[i].data(), buffers[i].size()};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  while (true) {
    const int n = ::recvmmsg(fd, messages.data(), kBatch, MSG_WAITFORONE, nullptr);
    if (n > 0) packets += static_cast<std::uint64_t>(n);
  }
}

void echoPackets(int fd) {
  std::array<char, 64> buffer;
  while (true) {
    sockaddr_in from{};
    socklen_t size = sizeof from;
    auto* where = reinterpret_cast<sockaddr*>(&from);
    const ssize_t n = ::recvfrom(fd, buffer.data(), buffer.size(), 0, where, &size);
    if (n >= 0) ::sendto(fd, buffer.data(), static_cast<std::size_t>(n), 0, where, size);
  }
}

[[noreturn]] void serve(int port) {
  const int listener = open(SOCK_STREAM, addressOf(nullptr, port), true);
  if (::listen(listener, 64) != 0) die("listen");
  const int sink = open(SOCK_DGRAM, addressOf(nullptr, port), true);
  const int room = 8 << 20;
  ::setsockopt(sink, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  std::thread(countPackets, sink).detach();
  std::thread(echoPackets, open(SOCK_DGRAM, addressOf(nullptr, port + 1), true)).detach();
  while (true) {
    const int fd = ::accept(listener, nullptr, nullptr);
    if (fd >= 0) std::thread(serveOne, fd).detach();
  }
}

std::uint64_t answerOf(int fd) {
  std::uint64_t total = 0;
  if (::recv(fd, &total, sizeof total, MSG_WAITALL) != sizeof total) die("answer");
  ::close(fd);
  return total;
}

int begin(const sockaddr_in& server, char kind) {
  const int fd = open(SOCK_STREAM, server, false);
  if (::write(fd, &kind, 1) != 1) die("write");
  return fd;
}

void stream(const sockaddr_in& server, int streams, double seconds) {
  std::atomic<std::uint64_t> bytes{0};
  const auto start = Clock::now();
  std::vector<std::thread> threads;
  for (int i = 0; i < streams; ++i) {
    threads.emplace_back([&] {
      const int fd = begin(server, 's');
      const std::vector<char> data(1U << 17U);
      while (since(start) < seconds && ::write(fd, data.data(), data.size()) > 0) {
      }
      ::shutdown(fd, SHUT_WR);
      bytes += answerOf(fd);
    });
  }
  for (auto& thread : threads) thread.join();
  std::printf("{\"bytes\": %llu, \"seconds\": %f}\n", static_cast<unsigned long long>(bytes), since(start));
}

void flood(const sockaddr_in& server, double seconds) {
  const auto before = answerOf(begin(server, 'c'));
  const int fd = open(SOCK_DGRAM, server, false);
  std::array<char, kPacket> data{};
  iovec part{data.data(), data.size()};
  std::array<mmsghdr, kBatch> messages{};
  for (auto& message : messages) {
    message.msg_hdr.msg_iov = &part;
    message.msg_hdr.msg_iovlen = 1;
  }
  std::uint64_t sent = 0;
  const auto start = Clock::now();
  while (since(start) < seconds) {
    const int n = ::sendmmsg(fd, messages.data(), kBatch, 0);
    if (n > 0) sent += static_cast<std::uint64_t>(n);
  }
  const double took = since(start);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  const auto received = answerOf(begin(server, 'c')) - before;
  std::printf("{\"sent\": %llu, \"received\": %llu, \"seconds\": %f}\n",
              static_cast<unsigned long long>(sent), static_cast<unsigned long long>(received), took);
}

void ask(sockaddr_in server, double seconds, bool tcp) {
  if (!tcp) server.sin_port = htons(static_cast<std::uint16_t>(ntohs(server.sin_port) + 1));
  const int fd = tcp ? begin(server, 'e') : open(SOCK_DGRAM, server, false);
  const timeval patience{0, 200000};  // a packet that is lost is asked for again
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  std::uint64_t rounds = 0;
  char byte = 'x';
  const auto start = Clock::now();
  while (since(start) < seconds) {
    if (::send(fd, &byte, 1, 0) == 1 && ::recv(fd, &byte, 1, 0) == 1) ++rounds;
  }
  std::printf("{\"rounds\": %llu, \"seconds\": %f}\n", static_cast<unsigned long long>(rounds), since(start));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  if (what == "serve" && argc == 3) serve(std::atoi(argv[2]));
  if (argc < 5) {
    std::fputs("usage: see the head of datapath_load.cpp\n", stderr);
    return 2;
  }
  const auto server = addressOf(argv[2], std::atoi(argv[3]));
  if (what == "stream" && argc == 6) stream(server, std::atoi(argv[4]), std::atof(argv[5]));
  if (what == "flood") flood(server, std::atof(argv[4]));
  if (what == "ask" && argc == 6) ask(server, std::atof(argv[4]), std::string_view(argv[5]) == "tcp");
  return 0;
}
