// SPDX-License-Identifier: Apache-2.0
#include "tunnel/outbox.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

#include <netinet/udp.h>
#include <poll.h>

namespace twill::tunnel {
namespace {

constexpr std::size_t kMostDatagrams = 64;  // UDP_MAX_SEGMENTS of Linux before 6.9
constexpr std::size_t kMostBytes = 65000;   // a little below what one IP packet takes
constexpr int kPatience = 100;              // ms that a full send buffer may take to drain

}  // namespace

SocketAddress::SocketAddress(const IpAddress& address, std::uint16_t port) {
  if (address.isV4()) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    std::memcpy(&to.sin_addr, address.bytes().data(), sizeof to.sin_addr);
    std::memcpy(&storage, &to, sizeof to);
    length = sizeof to;
  } else {
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    to.sin6_port = htons(port);
    std::memcpy(&to.sin6_addr, address.bytes().data(), sizeof to.sin6_addr);
    std::memcpy(&storage, &to, sizeof to);
    length = sizeof to;
  }
}

bool setFragmentation(int socket, Family family, bool allowed) {
  const bool v4 = family == Family::v4;
  const int how4 = allowed ? IP_PMTUDISC_DONT : IP_PMTUDISC_DO;
  const int how6 = allowed ? IPV6_PMTUDISC_DONT : IPV6_PMTUDISC_DO;
  return v4 ? ::setsockopt(socket, IPPROTO_IP, IP_MTU_DISCOVER, &how4, sizeof how4) == 0
            : ::setsockopt(socket, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &how6, sizeof how6) == 0;
}

Outbox::Outbox(int socket, std::uint16_t port)
    : socket_(socket), port_(port), messages_(kMessages), headers_(kMessages) {
  parts_.reserve(kParts);
}

bool Outbox::isFull() const {
  return used_ == kMessages || (used_ > 0 && parts_.size() + 2 > kParts);
}

Outbox::Message& Outbox::messageFor(const Peer& peer, std::size_t size) {
  if (used_ > 0) {
    Message& last = messages_[used_ - 1];
    if (last.peer == &peer && !last.closed && size <= last.size && last.datagrams < kMostDatagrams &&
        last.bytes + size <= kMostBytes) {
      return last;
    }
  }
  if (used_ == 0) parts_.clear();  // not in flush(), whose answer points there
  Message& fresh = messages_[used_++];
  fresh.peer = &peer;
  fresh.to = SocketAddress(peer.endpoint, port_);
  fresh.firstPart = parts_.size();
  fresh.parts = fresh.bytes = fresh.datagrams = 0;
  fresh.size = size;
  fresh.closed = false;
  return fresh;
}

void Outbox::add(const Peer& peer, const Datagram& datagram) {
  const std::size_t size = datagram.size();
  Message& message = messageFor(peer, size);
  for (const Bytes part : {datagram.header, datagram.payload}) {
    if (part.empty()) continue;
    parts_.push_back(
        {const_cast<std::uint8_t*>(part.data()), part.size()});  // sendmsg() does not write there
    ++message.parts;
  }
  message.bytes += size;
  ++message.datagrams;
  message.closed = size < message.size;
}

void Outbox::prepare() {
  for (std::size_t i = 0; i < used_; ++i) {
    Message& message = messages_[i];
    msghdr& header = headers_[i].msg_hdr;
    header = {};
    header.msg_name = &message.to.storage;
    header.msg_namelen = message.to.length;
    header.msg_iov = &parts_[message.firstPart];
    header.msg_iovlen = message.parts;
    if (message.datagrams == 1) continue;
    header.msg_control = message.control.data();
    header.msg_controllen = message.control.size();
    cmsghdr* control = CMSG_FIRSTHDR(&header);
    control->cmsg_level = SOL_UDP;
    control->cmsg_type = UDP_SEGMENT;
    control->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
    const auto size = static_cast<std::uint16_t>(message.size);
    std::memcpy(CMSG_DATA(control), &size, sizeof size);
  }
}

void Outbox::succeed(const Message& message) const {
  PeerCounters& counters = *message.peer->counters;
  PeerCounters::add(counters.sentPackets, message.datagrams);
  PeerCounters::add(counters.sentBytes, message.bytes);
}

std::span<const Outbox::Failed> Outbox::flush() {
  failed_.clear();
  prepare();
  std::size_t sent = 0;
  bool waited = false;
  while (sent < used_) {
    const int n = ::sendmmsg(socket_, &headers_[sent], static_cast<unsigned>(used_ - sent), 0);
    if (n > 0) {
      for (int i = 0; i < n; ++i) succeed(messages_[sent++]);
      waited = false;
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN && !std::exchange(waited, true)) {
      pollfd room{socket_, POLLOUT, 0};
      ::poll(&room, 1, kPatience);
      continue;
    }
    const Message& message = messages_[sent++];
    failed_.push_back({message.peer, errno, std::span(parts_).subspan(message.firstPart, message.parts),
                       message.size, message.bytes});
    waited = false;
  }
  used_ = 0;
  return failed_;
}

}  // namespace twill::tunnel
