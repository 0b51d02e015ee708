// SPDX-License-Identifier: Apache-2.0
#include "tunnel/receiver.hpp"

#include <cerrno>

#include <netinet/udp.h>
#include <poll.h>
#include <sys/uio.h>

namespace twill::tunnel {
namespace {

constexpr std::size_t kMessages = 8;  // 64 KB each, so that all of them stay in a CPU's cache
constexpr std::size_t kLargestMessage = 65535;

IpAddress addressOf(const sockaddr_storage& from) {
  if (from.ss_family == AF_INET) {
    const auto* bytes =
        reinterpret_cast<const std::uint8_t*>(&reinterpret_cast<const sockaddr_in&>(from).sin_addr);
    return IpAddress::fromBytes({bytes, 4});
  }
  const auto* bytes =
      reinterpret_cast<const std::uint8_t*>(&reinterpret_cast<const sockaddr_in6&>(from).sin6_addr);
  return IpAddress::fromBytes({bytes, 16});
}

/// Bytes of each datagram in a message that the kernel has put together; 0 when it is one.
std::size_t gsoSizeOf(msghdr& header) {
  for (cmsghdr* control = CMSG_FIRSTHDR(&header); control != nullptr;
       control = CMSG_NXTHDR(&header, control)) {
    if (control->cmsg_level != SOL_UDP || control->cmsg_type != UDP_GRO) continue;
    int size = 0;
    std::memcpy(&size, CMSG_DATA(control), sizeof size);
    return size > 0 ? static_cast<std::size_t>(size) : 0;
  }
  return 0;
}

}  // namespace

Receiver::Receiver(const Tun& tun, int socket, Admission admission, Dropped& dropped)
    : tun_(tun),
      socket_(socket),
      admission_(std::move(admission)),
      dropped_(dropped),
      table_(std::make_shared<PeerTable>()),
      merger_(tun.udp),
      slots_(kMessages),
      headers_(kMessages) {
  for (Slot& slot : slots_) {
    slot.buffer.resize(kLargestMessage);
    slot.part = {slot.buffer.data(), slot.buffer.size()};
  }
}

Result<void> Receiver::run(const std::stop_token& stop, int wake) {
  std::array<pollfd, 2> events{{{socket_, POLLIN, 0}, {wake, POLLIN, 0}}};
  while (!stop.stop_requested()) {
    mailbox_.take(table_);
    const int n = receive();
    for (int i = 0; i < n; ++i)
      takeSlot(slots_[static_cast<std::size_t>(i)], headers_[static_cast<std::size_t>(i)].msg_len);
    TWILL_CHECK(writeAll());
    if (n > 0) continue;
    if (::poll(events.data(), events.size(), -1) < 0 && errno != EINTR) return failErrno("poll");
  }
  return {};
}

/// Errors of single packets (an ICMP message about one that was sent) are the socket's to forget.
int Receiver::receive() {
  for (std::size_t i = 0; i < kMessages; ++i) {
    msghdr& header = headers_[i].msg_hdr;
    header = {};
    header.msg_name = &slots_[i].from;
    header.msg_namelen = sizeof slots_[i].from;
    header.msg_iov = &slots_[i].part;
    header.msg_iovlen = 1;
    header.msg_control = slots_[i].control.data();
    header.msg_controllen = slots_[i].control.size();
  }
  return ::recvmmsg(socket_, headers_.data(), kMessages, MSG_DONTWAIT, nullptr);
}

void Receiver::takeSlot(Slot& slot, std::size_t size) {
  const auto index = static_cast<std::size_t>(&slot - slots_.data());
  const std::size_t gsoSize = gsoSizeOf(headers_[index].msg_hdr);
  take(Bytes(slot.buffer).first(size), gsoSize == 0 ? size : gsoSize, addressOf(slot.from));
}

void Receiver::take(Bytes message, std::size_t gsoSize, const IpAddress& sender) {
  while (!message.empty()) {
    const Bytes packet = message.first(std::min(gsoSize, message.size()));
    message = message.subspan(packet.size());
    const auto ip = parseIp(packet);
    if (!ip) {
      count(dropped_.malformed);
      continue;
    }
    const auto [verdict, peer] = admission_.judge(*ip, sender, *table_);
    if (verdict != Verdict::admitted) {
      count(verdict == Verdict::stranger ? dropped_.strangers : dropped_.misdirected);
      continue;
    }
    PeerCounters::add(peer->counters->receivedPackets, 1);
    PeerCounters::add(peer->counters->receivedBytes, packet.size());
    merger_.add(*ip, packet);
  }
}

Result<void> Receiver::writeAll() {
  for (const auto& write : merger_.finish()) {
    parts_.clear();
    const auto add = [&](const void* bytes, std::size_t size) {
      parts_.push_back({const_cast<void*>(bytes), size});  // writev() does not write there
    };
    add(&write.vnet, sizeof write.vnet);
    if (write.headerLength > 0) add(write.header.data(), write.headerLength);
    for (const Bytes part : write.parts) add(part.data(), part.size());
    if (::writev(tun_.fd.get(), parts_.data(), static_cast<int>(parts_.size())) >= 0) continue;
    // A device that is down answers EIO, and takes packets again when it is up.
    if (errno == EBADFD) return failErrno("write to the device");
    count(dropped_.unwritten);
  }
  merger_.clear();
  return {};
}

}  // namespace twill::tunnel
