// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <sys/socket.h>

#include "base/fd.hpp"
#include "net/address.hpp"

/// Sockets of the probe, made in the calling thread's network namespace; none of them blocks.
namespace twill::lab {

struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;
};
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);

  explicit SocketAddress(const Endpoint& endpoint);
  SocketAddress() = default;
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  [[nodiscard]] sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  [[nodiscard]] Endpoint endpoint() const;
};

/// An ICMP or ICMPv6 socket that gets every message of its namespace.
[[nodiscard]] Result<Fd> openIcmp(Family family);

/// A listening TCP socket that keeps the SYN of each connection; its port.
struct Listener {
  Fd fd;
  std::uint16_t port = 0;
};
[[nodiscard]] Result<Listener> openListener(Family family);
/// TTL or hop limit of the SYN that began an accepted connection; 0 when the kernel did not keep it.
[[nodiscard]] int ttlOfSyn(int connection);

/// A connection that is on its way; its error, if it has one already.
struct Attempt {
  Fd fd;
  int error = 0;
};
[[nodiscard]] Result<Attempt> beginConnection(const Endpoint& to);

struct Echo {
  bool request = false;     ///< else a reply
  std::uint64_t nonce = 0;  ///< carried as payload: NAT may change the identifier
  std::uint32_t number = 0;
  IpAddress source;
  int ttl = 0;
};
/// errno, 0 when it went out.
[[nodiscard]] int sendEcho(int icmp, const IpAddress& to, std::uint64_t nonce, std::uint32_t number);
/// The next message; nothing when none waits. One that is no echo has nonce 0.
[[nodiscard]] std::optional<Echo> receiveEcho(int icmp, Family family);

}  // namespace twill::lab
