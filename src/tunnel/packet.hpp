// SPDX-License-Identifier: Apache-2.0
// What the pump has to know of the packets inside the tunnel: plain IP packets (RFC 791, RFC 8200) that carry
// TCP (RFC 9293), UDP (RFC 768) or anything else.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "net/address.hpp"

namespace twill::tunnel {

using Bytes = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;

/// linux/virtio_net.h, struct virtio_net_hdr, in host order; that header cannot be included from C++.
struct VnetHeader {
  std::uint8_t flags = 0;
  std::uint8_t gsoType = 0;
  std::uint16_t headerLength = 0;  ///< of all headers before the payload; a hint
  std::uint16_t gsoSize = 0;       ///< payload bytes of each segment
  std::uint16_t checksumStart = 0;
  std::uint16_t checksumOffset = 0;
};
static_assert(sizeof(VnetHeader) == 10);

constexpr std::uint8_t kNeedsChecksum = 1;  // VIRTIO_NET_HDR_F_NEEDS_CSUM
constexpr std::uint8_t kGsoNone = 0;        // VIRTIO_NET_HDR_GSO_*
constexpr std::uint8_t kGsoTcp4 = 1;
constexpr std::uint8_t kGsoTcp6 = 4;
constexpr std::uint8_t kGsoUdp = 5;
constexpr std::uint8_t kGsoEcn = 0x80;

constexpr std::size_t kIp4Header = 20;
constexpr std::size_t kIp6Header = 40;
constexpr std::size_t kTcpHeader = 20;
constexpr std::size_t kUdpHeader = 8;
constexpr std::size_t kLargestPacket = 65535;

inline std::uint16_t word(const std::uint8_t* at) {
  return static_cast<std::uint16_t>(at[0] << 8U | at[1]);
}
inline void setWord(std::uint8_t* at, std::uint16_t value) {
  at[0] = static_cast<std::uint8_t>(value >> 8U);
  at[1] = static_cast<std::uint8_t>(value);
}
inline std::uint32_t longWord(const std::uint8_t* at) {
  return static_cast<std::uint32_t>(word(at)) << 16U | word(at + 2);
}
inline void setLongWord(std::uint8_t* at, std::uint32_t value) {
  setWord(at, static_cast<std::uint16_t>(value >> 16U));
  setWord(at + 2, static_cast<std::uint16_t>(value));
}

/// What the IP header says. Offsets count from the start of the packet.
struct IpView {
  Family family = Family::v4;
  std::uint8_t protocol = 0;             ///< IPv6: the next header; extension headers are not looked into
  std::size_t transport = 0;             ///< where the IP header ends
  std::size_t length = 0;                ///< of the whole packet
  bool fragment = false;                 ///< IPv4: a part of a packet
  const std::uint8_t* source = nullptr;  ///< 4 or 16 bytes inside the packet
  const std::uint8_t* destination = nullptr;

  [[nodiscard]] std::size_t addressSize() const { return family == Family::v4 ? 4 : 16; }
};

/// None when that is not a whole IP packet: truncated, a header length or version that cannot be. Bytes
/// behind the packet's own length are left out of `length`.
[[nodiscard]] std::optional<IpView> parseIp(Bytes packet);

/// The part of a TCP or UDP checksum that addresses, protocol and length make.
[[nodiscard]] std::uint64_t pseudoHeaderSum(const IpView& ip, std::size_t transportLength);

/// True when the TCP or UDP checksum holds. A UDP packet without one (IPv4) has nothing that could be wrong.
[[nodiscard]] bool hasSoundChecksum(const IpView& ip, Bytes packet);

/// Where TCP and UDP have their checksum, counted from the transport header.
[[nodiscard]] constexpr std::size_t checksumOffset(std::uint8_t protocol) {
  return protocol == IPPROTO_UDP ? 6 : 16;
}

/// True when the checksum of TCP or UDP is the pseudo-header's sum and no more: the rest was left to a
/// network card, and on the way was none, only virtual links. The kernel engine of a peer sends such. One
/// packet in 65,536 looks the same by chance; making its checksum again comes to the same.
[[nodiscard]] bool hasPartialChecksum(const IpView& ip, Bytes packet);

/// Tells the kernel to complete the checksum, which has the pseudo-header's sum already; and to cut a large
/// TCP packet, should it have to.
[[nodiscard]] VnetHeader completeChecksum(const IpView& ip);

/// Length of the TCP header at `transport`; 0 when it is truncated or cannot be.
[[nodiscard]] std::size_t tcpHeaderLength(Bytes packet, std::size_t transport);

/// Writes length and, in IPv4, identification and header checksum for a packet of `length` bytes.
void finishIpHeader(MutableBytes header, Family family, std::size_t length, std::uint16_t identification);

}  // namespace twill::tunnel
