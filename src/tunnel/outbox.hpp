// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>

#include "tunnel/peer_table.hpp"
#include "tunnel/split.hpp"

namespace twill::tunnel {

/// Where a node listens, in the form that sockets take.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;

  SocketAddress() = default;
  SocketAddress(const IpAddress& address, std::uint16_t port);
};

/// Whether the kernel cuts what is too large for a path (RFC 791, RFC 8200), or refuses it with EMSGSIZE.
/// False when it cannot be set.
[[nodiscard]] bool setFragmentation(int socket, Family family, bool allowed);

/// Datagrams that wait for one sendmmsg(). Neighbours for one peer, of one size but for the last, become one
/// message, which the kernel cuts (UDP_SEGMENT, linux/udp.h): one way through its stack for up to 64.
class Outbox {
 public:
  Outbox(int socket, std::uint16_t port);
  Outbox(const Outbox&) = delete;  // messages point into it
  Outbox& operator=(const Outbox&) = delete;

  /// `peer` and what `datagram` points to stay as they are until flush().
  void add(const Peer& peer, const Datagram& datagram);
  [[nodiscard]] bool isFull() const;
  [[nodiscard]] bool isEmpty() const { return used_ == 0; }

  /// A message that could not be sent.
  struct Failed {
    const Peer* peer;
    int code;                      ///< errno
    std::span<const iovec> parts;  ///< of all its datagrams
    std::size_t size;              ///< bytes of each datagram but the last
    std::size_t bytes;             ///< of all of them
  };
  /// Sends all, counts, and starts anew. Returns those that failed, valid until the next add().
  [[nodiscard]] std::span<const Failed> flush();

 private:
  static constexpr std::size_t kMessages = 64;
  static constexpr std::size_t kParts = 1024;
  struct Message {
    const Peer* peer = nullptr;
    SocketAddress to;
    std::size_t firstPart = 0, parts = 0;
    std::size_t size = 0;  ///< bytes of each datagram but the last
    std::size_t bytes = 0, datagrams = 0;
    bool closed = false;  ///< the last datagram was a shorter one
    alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(std::uint16_t))> control{};
  };

  Message& messageFor(const Peer& peer, std::size_t size);
  void prepare();
  void succeed(const Message& message) const;

  int socket_;
  std::uint16_t port_;
  std::vector<Message> messages_;
  std::vector<iovec> parts_;
  std::vector<mmsghdr> headers_;
  std::vector<Failed> failed_;
  std::size_t used_ = 0;
};

}  // namespace twill::tunnel
