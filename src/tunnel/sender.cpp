// SPDX-License-Identifier: Apache-2.0
#include "tunnel/sender.hpp"

#include <array>
#include <cerrno>

#include <poll.h>
#include <unistd.h>

namespace twill::tunnel {
namespace {

/// So much is read before it is sent, while the device has more: enough to fill messages, little enough to
/// stay in a CPU's cache.
constexpr std::size_t kBatch = std::size_t{256} * 1024;
constexpr int kMostReads = 1024;
constexpr std::size_t kLargestRead = sizeof(VnetHeader) + kLargestPacket;
/// For the headers of one large packet, cut at the least size that TCP takes (48 bytes).
constexpr std::size_t kHeadersOfOne = kLargestPacket / 48 * 120;

/// Bytes that the outer headers take.
std::size_t overheadOf(const Peer& peer) {
  return (peer.endpoint.isV4() ? kIp4Header : kIp6Header) + kUdpHeader;
}

/// What the kernel knows to get through to a peer, outer headers included; 0 when it does not say.
std::size_t pathMtu(const Peer& peer, std::uint16_t port) {
  const SocketAddress to(peer.endpoint, port);
  const bool v4 = peer.endpoint.isV4();
  const Fd question(::socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  int mtu = 0;
  socklen_t size = sizeof mtu;
  const bool known =
      question && ::connect(question.get(), reinterpret_cast<const sockaddr*>(&to.storage), to.length) == 0 &&
      (v4 ? ::getsockopt(question.get(), IPPROTO_IP, IP_MTU, &mtu, &size)
          : ::getsockopt(question.get(), IPPROTO_IPV6, IPV6_MTU, &mtu, &size)) == 0;
  return known && mtu > 0 ? static_cast<std::size_t>(mtu) : 0;
}

/// In IPv4 the sender of a packet may leave it to routers to cut it; its datagram is cut then.
bool mayBeCut(Bytes packet) {
  return packet[0] >> 4U == 4 && (packet[6] & 0x40U) == 0;
}

int trySending(int socket, Bytes packet, const SocketAddress& to) {
  const ssize_t n = ::sendto(socket, packet.data(), packet.size(), MSG_DONTWAIT,
                             reinterpret_cast<const sockaddr*>(&to.storage), to.length);
  return n < 0 ? errno : 0;
}

/// 0, or an errno. The socket is used by this thread alone to send.
int sendOne(int socket, Bytes packet, const SocketAddress& to) {
  const int code = trySending(socket, packet, to);
  if (code != EMSGSIZE || !mayBeCut(packet)) return code;
  const Family family = to.storage.ss_family == AF_INET ? Family::v4 : Family::v6;
  if (!setFragmentation(socket, family, true)) return code;
  const int second = trySending(socket, packet, to);
  (void)setFragmentation(socket, family, false);  // what could be set once can be again
  return second;
}

}  // namespace

Sender::Sender(const Tun& tun, int socket4, int socket6, std::uint16_t port, Dropped& dropped)
    : tun_(tun),
      sockets_{socket4, socket6},
      port_(port),
      dropped_(dropped),
      table_(std::make_shared<PeerTable>()),
      buffer_(kBatch + kLargestRead),
      arena_(kHeadersOfOne * 4) {
  for (std::size_t i = 0; i < 2; ++i) {
    if (sockets_[i] >= 0) outboxes_[i].emplace(sockets_[i], port);
  }
}

Result<void> Sender::run(const std::stop_token& stop, int wake) {
  std::array<pollfd, 2> events{{{tun_.fd.get(), POLLIN, 0}, {wake, POLLIN, 0}}};
  while (!stop.stop_requested()) {
    mailbox_.take(table_);
    Read read = Read::packet;
    for (int i = 0; i < kMostReads && hasRoom() && read == Read::packet; ++i) read = readOne();
    flush();
    if (read == Read::failed) return failErrno("read from the device", error_);
    if (read == Read::packet) continue;
    if (::poll(events.data(), events.size(), -1) < 0 && errno != EINTR) return failErrno("poll");
  }
  return {};
}

bool Sender::hasRoom() const {
  return filled_ < kBatch && arena_.left() >= kHeadersOfOne;
}

Sender::Read Sender::readOne() {
  const MutableBytes space = MutableBytes(buffer_).subspan(filled_, kLargestRead);
  const ssize_t n = ::read(tun_.fd.get(), space.data(), space.size());
  if (n < 0) {
    error_ = errno;
    if (error_ == EINTR) return Read::packet;
    return error_ == EAGAIN ? Read::nothing : Read::failed;
  }
  if (static_cast<std::size_t>(n) <= sizeof(VnetHeader)) {
    count(dropped_.malformed);
    return Read::packet;
  }
  VnetHeader vnet;
  std::memcpy(&vnet, space.data(), sizeof vnet);
  datagrams_.clear();
  if (!split(vnet, space.subspan(sizeof vnet, static_cast<std::size_t>(n) - sizeof vnet), arena_,
             datagrams_)) {
    count(dropped_.malformed);
    return Read::packet;
  }
  filled_ += static_cast<std::size_t>(n);
  for (const Datagram& datagram : datagrams_) route(datagram);
  return Read::packet;
}

void Sender::route(const Datagram& datagram) {
  const bool v4 = datagram.header[0] >> 4U == 4;
  const std::uint8_t* destination = &datagram.header[v4 ? 16 : 24];
  const Peer* peer = table_->find(v4 ? Family::v4 : Family::v6, destination);
  auto* outbox = peer == nullptr ? nullptr : &outboxes_[peer->endpoint.isV4() ? 0 : 1];
  if (outbox == nullptr || !*outbox) {
    count(dropped_.unreachable);
    icmp_.send(datagram.header, Trouble::unreachable, 0);
    return;
  }
  if ((*outbox)->isFull()) flush(**outbox);
  (*outbox)->add(*peer, datagram);
}

void Sender::flush() {
  for (auto& outbox : outboxes_) {
    if (outbox && !outbox->isEmpty()) flush(*outbox);
  }
  filled_ = 0;
  arena_.clear();
}

void Sender::flush(Outbox& outbox) {
  for (const auto& failed : outbox.flush()) resend(failed);
}

/// One by one: what is too large for the path may be the headers of one, or the kernel's dislike of a cut.
void Sender::resend(const Outbox::Failed& failed) {
  const SocketAddress to(failed.peer->endpoint, port_);
  const int socket = sockets_[failed.peer->endpoint.isV4() ? 0 : 1];
  std::vector<std::uint8_t> all;
  all.reserve(failed.bytes);
  for (const iovec& part : failed.parts) {
    const auto* bytes = static_cast<const std::uint8_t*>(part.iov_base);
    all.insert(all.end(), bytes, bytes + part.iov_len);
  }
  for (std::size_t at = 0; at < all.size(); at += failed.size) {
    const Bytes packet = Bytes(all).subspan(at, std::min(failed.size, all.size() - at));
    if (const int code = sendOne(socket, packet, to); code != 0) {
      report(packet, code, *failed.peer);
      continue;
    }
    PeerCounters::add(failed.peer->counters->sentPackets, 1);
    PeerCounters::add(failed.peer->counters->sentBytes, packet.size());
  }
}

void Sender::report(Bytes packet, int code, const Peer& peer) {
  if (code != EMSGSIZE) {
    count(dropped_.unreachable);
    if (code == ENETUNREACH || code == EHOSTUNREACH) icmp_.send(packet, Trouble::unreachable, 0);
    return;
  }
  count(dropped_.tooLarge);
  const std::size_t mtu = pathMtu(peer, port_);
  if (mtu > overheadOf(peer)) icmp_.send(packet, Trouble::tooLarge, mtu - overheadOf(peer));
}

}  // namespace twill::tunnel
