// SPDX-License-Identifier: Apache-2.0
#include "lab/sockets.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <sys/uio.h>

namespace twill::lab {
namespace {

int domainOf(Family family) {
  return family == Family::v4 ? AF_INET : AF_INET6;
}

Result<Fd> open(Family family, int type, int protocol) {
  Fd fd(::socket(domainOf(family), type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
  if (!fd) return failErrno("open a socket");
  return fd;
}

Result<void> set(const Fd& fd, int level, int option) {
  const int on = 1;
  if (::setsockopt(fd.get(), level, option, &on, sizeof on) == 0) return {};
  return failErrno("set a socket option");
}

/// RFC 1071
std::uint16_t checksum(std::span<const std::uint8_t> bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    sum += static_cast<std::uint32_t>(bytes[i] << 8U | bytes[i + 1]);
  }
  while (sum > 0xffff) sum = (sum & 0xffffU) + (sum >> 16U);
  return htons(static_cast<std::uint16_t>(~sum));
}

/// What follows type, code, checksum, identifier and sequence number (RFC 792, RFC 4443).
struct Payload {
  std::uint64_t nonce = 0;
  std::uint64_t number = 0;
};
constexpr std::size_t kEchoSize = sizeof(icmphdr) + sizeof(Payload);

}  // namespace

SocketAddress::SocketAddress(const Endpoint& endpoint) {
  const auto bytes = endpoint.address.bytes();
  if (endpoint.address.isV4()) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(endpoint.port);
    std::memcpy(&v4->sin_addr, bytes.data(), bytes.size());
    size = sizeof(sockaddr_in);
  } else {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(endpoint.port);
    std::memcpy(&v6->sin6_addr, bytes.data(), bytes.size());
    size = sizeof(sockaddr_in6);
  }
}

Endpoint SocketAddress::endpoint() const {
  if (storage.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&storage);
    return {IpAddress::fromV4(ntohl(v4->sin_addr.s_addr)), ntohs(v4->sin_port)};
  }
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&storage);
  return {IpAddress::fromBytes({static_cast<const std::uint8_t*>(v6->sin6_addr.s6_addr), 16}),
          ntohs(v6->sin6_port)};
}

Result<Fd> openIcmp(Family family) {
  if (family == Family::v4) return open(family, SOCK_RAW, IPPROTO_ICMP);
  TWILL_TRY(Fd fd, open(family, SOCK_RAW, IPPROTO_ICMPV6));
  TWILL_CHECK(set(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT));
  return fd;
}

Result<Listener> openListener(Family family) {
  TWILL_TRY(Fd fd, open(family, SOCK_STREAM, 0));
  TWILL_CHECK(set(fd, IPPROTO_TCP, TCP_SAVE_SYN));
  if (::listen(fd.get(), 1024) != 0)
    return failErrno("listen");  // unbound: on a port that the kernel chooses
  SocketAddress name;
  if (::getsockname(fd.get(), name.get(), &name.size) != 0) return failErrno("ask for a socket's port");
  return Listener{std::move(fd), name.endpoint().port};
}

int ttlOfSyn(int connection) {
  std::array<std::uint8_t, 256> headers{};
  socklen_t size = headers.size();
  if (::getsockopt(connection, IPPROTO_TCP, TCP_SAVED_SYN, headers.data(), &size) != 0 || size < 20) return 0;
  return headers[0] >> 4U == 4 ? headers[8] : headers[7];  // RFC 791, RFC 8200
}

Result<Attempt> beginConnection(const Endpoint& to) {
  TWILL_TRY(Fd fd, open(to.address.family(), SOCK_STREAM, 0));
  // Closed by a reset: thousands of connections in TIME_WAIT would be left otherwise.
  const linger reset{.l_onoff = 1, .l_linger = 0};
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset) != 0)
    return failErrno("set SO_LINGER");
  const SocketAddress address(to);
  const int failed = ::connect(fd.get(), address.get(), address.size);
  return Attempt{std::move(fd), failed != 0 && errno != EINPROGRESS ? errno : 0};
}

int sendEcho(int icmp, const IpAddress& to, std::uint64_t nonce, std::uint32_t number) {
  std::array<std::uint8_t, kEchoSize> message{};
  icmphdr header{};  // ICMPv6's has the same form
  header.type = to.isV4() ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
  header.un.echo.id = static_cast<std::uint16_t>(nonce);
  header.un.echo.sequence = htons(static_cast<std::uint16_t>(number));
  std::memcpy(message.data(), &header, sizeof header);
  const Payload payload{.nonce = nonce, .number = number};
  std::memcpy(message.data() + sizeof header, &payload, sizeof payload);
  if (to.isV4()) {  // for ICMPv6 the kernel does it
    header.checksum = checksum(message);
    std::memcpy(message.data(), &header, sizeof header);
  }
  const SocketAddress address({to, 0});
  return ::sendto(icmp, message.data(), message.size(), 0, address.get(), address.size) < 0 ? errno : 0;
}

std::optional<Echo> receiveEcho(int icmp, Family family) {
  std::array<std::uint8_t, 2048> bytes{};
  std::array<std::uint8_t, 256> control{};
  SocketAddress from;
  iovec part{.iov_base = bytes.data(), .iov_len = bytes.size()};
  msghdr message{.msg_name = from.get(),
                 .msg_namelen = from.size,
                 .msg_iov = &part,
                 .msg_iovlen = 1,
                 .msg_control = control.data(),
                 .msg_controllen = control.size(),
                 .msg_flags = 0};
  const ssize_t size = ::recvmsg(icmp, &message, 0);
  if (size < 0) return std::nullopt;
  Echo echo;
  echo.source = from.endpoint().address;
  std::span<const std::uint8_t> rest(bytes.data(), static_cast<std::size_t>(size));
  if (family == Family::v4) {  // a raw IPv4 socket gets the IP header too
    const std::size_t header = rest.empty() ? 0 : (rest[0] & 0x0fU) * 4U;
    if (rest.size() < std::max<std::size_t>(header, 20)) return Echo{};
    echo.ttl = rest[8];
    rest = rest.subspan(header);
  }
  for (cmsghdr* item = CMSG_FIRSTHDR(&message); item != nullptr; item = CMSG_NXTHDR(&message, item)) {
    if (item->cmsg_level == IPPROTO_IPV6 && item->cmsg_type == IPV6_HOPLIMIT) {
      std::memcpy(&echo.ttl, CMSG_DATA(item), sizeof echo.ttl);
    }
  }
  if (rest.size() < kEchoSize) return Echo{};
  icmphdr header{};
  std::memcpy(&header, rest.data(), sizeof header);
  Payload payload;
  std::memcpy(&payload, rest.data() + sizeof header, sizeof payload);
  echo.request = header.type == (family == Family::v4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST);
  const bool reply = header.type == (family == Family::v4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY);
  if (!echo.request && !reply) return Echo{};
  echo.nonce = payload.nonce;
  echo.number = static_cast<std::uint32_t>(payload.number);
  return echo;
}

}  // namespace twill::lab
