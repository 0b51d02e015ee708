// SPDX-License-Identifier: Apache-2.0
#include "tunnel/icmp.hpp"

#include <algorithm>

#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <sys/socket.h>

#include "net/checksum.hpp"
#include "tunnel/outbox.hpp"

namespace twill::tunnel {
namespace {

constexpr int kRate = 100;
constexpr std::size_t kHeader = 8;
constexpr std::size_t kQuoted4 = 576 - 20 - kHeader;   // RFC 1812: as much as fits into 576 bytes
constexpr std::size_t kQuoted6 = 1280 - 40 - kHeader;  // RFC 4443: into the least MTU

bool isIcmpError(const IpView& ip, Bytes packet) {
  if (packet.size() <= ip.transport) return true;
  const std::uint8_t type = packet[ip.transport];
  if (ip.family == Family::v6) return ip.protocol == IPPROTO_ICMPV6 && (type & 0x80U) == 0;
  constexpr std::uint8_t kQuestions[] = {ICMP_ECHO, ICMP_ECHOREPLY, ICMP_TIMESTAMP, ICMP_TIMESTAMPREPLY};
  return ip.protocol == IPPROTO_ICMP &&
         std::find(std::begin(kQuestions), std::end(kQuestions), type) == std::end(kQuestions);
}

bool isNobody(const IpAddress& address) {
  return address.isUnspecified() || address.isMulticast() || address.isLoopback();
}

}  // namespace

std::optional<std::vector<std::uint8_t>> makeIcmpError(const IpView& ip, Bytes packet, Trouble trouble,
                                                       std::size_t mtu) {
  const auto source = IpAddress::fromBytes({ip.source, ip.addressSize()});
  const auto destination = IpAddress::fromBytes({ip.destination, ip.addressSize()});
  const bool later = ip.family == Family::v4 && (word(&packet[6]) & 0x1fffU) != 0;
  if (later || isIcmpError(ip, packet) || isNobody(source) || destination.isMulticast()) return std::nullopt;
  const bool v4 = ip.family == Family::v4;
  const bool large = trouble == Trouble::tooLarge;
  const Bytes quoted = packet.first(std::min(packet.size(), v4 ? kQuoted4 : kQuoted6));
  std::vector<std::uint8_t> message(kHeader + quoted.size());
  if (v4) {
    message[0] = ICMP_DEST_UNREACH;
    message[1] = large ? ICMP_FRAG_NEEDED : ICMP_NET_UNREACH;
    if (large) setWord(&message[6], static_cast<std::uint16_t>(mtu));
  } else {
    message[0] = large ? ICMP6_PACKET_TOO_BIG : ICMP6_DST_UNREACH;
    if (large) setLongWord(&message[4], static_cast<std::uint32_t>(mtu));
  }
  std::copy(quoted.begin(), quoted.end(), message.begin() + kHeader);
  if (v4) {
    const auto checksum = foldChecksum(addToChecksum(message));
    std::memcpy(&message[2], &checksum, sizeof checksum);
  }
  return message;
}

IcmpSender::IcmpSender()
    : socket4_(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMP)),
      socket6_(::socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMPV6)) {}

bool IcmpSender::mayNow() {
  const auto now = std::chrono::steady_clock::now();
  if (now - second_ >= std::chrono::seconds(1)) {
    second_ = now;
    sent_ = 0;
  }
  return sent_++ < kRate;
}

void IcmpSender::send(Bytes packet, Trouble trouble, std::size_t mtu) {
  const auto ip = parseIp(packet);
  if (!ip) return;
  const auto message = makeIcmpError(*ip, packet, trouble, mtu);
  const Fd& socket = ip->family == Family::v4 ? socket4_ : socket6_;
  if (!message || !socket || !mayNow()) return;
  const SocketAddress to(IpAddress::fromBytes({ip->source, ip->addressSize()}), 0);
  // A router's courtesy: when it cannot be sent, nobody is worse off than without.
  (void)::sendto(socket.get(), message->data(), message->size(), MSG_DONTWAIT,
                 reinterpret_cast<const sockaddr*>(&to.storage), to.length);
}

}  // namespace twill::tunnel
