// SPDX-License-Identifier: Apache-2.0
#include "agent/too_big_listener.hpp"

#include <array>
#include <cstddef>
#include <utility>

#include <linux/filter.h>
#include <linux/icmp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/fd.hpp"

namespace twill {
namespace {

/// Anybody may write to a node; more than kAtOnce messages in kRest wait in the socket, or are dropped there.
constexpr int kAtOnce = 32;
constexpr auto kRest = std::chrono::milliseconds(100);

/// Of ICMP type 3: code 4 about a packet of protocol 4 or 41. A packet begins with its IPv4 header, which has
/// no options: routers send none, and the filter is there to keep the agent asleep.
Result<void> filter(int socket) {
  constexpr std::uint32_t kOuter = 20, kQuoted = kOuter + 8, kWhole = 256;
  std::array<sock_filter, 7> steps{{
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kOuter + 1),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP_FRAG_NEEDED, 0, 3),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kQuoted + 9),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_IPIP, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_IPV6, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, 0),
      BPF_STMT(BPF_RET | BPF_K, kWhole),
  }};
  const sock_fprog program{.len = static_cast<unsigned short>(steps.size()), .filter = steps.data()};
  if (::setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0)
    return failErrno("filter the ICMP socket");
  const icmp_filter types{.data = ~(1U << ICMP_DEST_UNREACH)};  // looked at before a packet is copied
  if (::setsockopt(socket, SOL_RAW, ICMP_FILTER, &types, sizeof types) != 0)
    return failErrno("filter the ICMP socket");
  return {};
}

}  // namespace

TooBigListener::TooBigListener(boost::asio::io_context& io, std::function<void(const TooBig&)> heard)
    : socket_(io), rest_(io), heard_(std::move(heard)) {}

Result<void> TooBigListener::start() {
  Fd socket(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMP));
  if (!socket) return failErrno("open a raw ICMP socket");
  TWILL_CHECK(filter(socket.get()));
  socket_.assign(socket.release());
  wait();
  return {};
}

void TooBigListener::wait() {
  socket_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                     [this](boost::system::error_code error) {
                       if (error) return;
                       receive();
                       rest_.expires_after(kRest);
                       rest_.async_wait([this](boost::system::error_code cancelled) {
                         if (!cancelled) wait();
                       });
                     });
}

void TooBigListener::receive() {
  std::array<std::uint8_t, 256> packet{};
  for (int i = 0; i < kAtOnce; ++i) {
    const auto size = ::recv(socket_.native_handle(), packet.data(), packet.size(), 0);
    if (size < 0) return;
    if (const auto said = readTooBig(std::span(packet).first(static_cast<std::size_t>(size)))) heard_(*said);
  }
}

}  // namespace twill
