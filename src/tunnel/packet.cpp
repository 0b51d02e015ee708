// SPDX-License-Identifier: Apache-2.0
#include "tunnel/packet.hpp"

#include "net/checksum.hpp"

namespace twill::tunnel {
namespace {

/// A larger TCP packet may be one that a network card was to cut, too.
constexpr std::size_t kSurelyWhole = 1500;
/// Payload that fits through whatever IPv6 may use (RFC 8200, 5), with its headers and TCP's with options.
constexpr std::uint16_t kSegment = 1280 - kIp6Header - 60;

std::optional<IpView> parseIp4(Bytes packet) {
  if (packet.size() < kIp4Header) return std::nullopt;
  IpView ip{.family = Family::v4,
            .protocol = packet[9],
            .transport = (packet[0] & 0x0fU) * std::size_t{4},
            .length = word(&packet[2]),
            .fragment = (word(&packet[6]) & 0x3fffU) != 0,  // more fragments, or not the first
            .source = &packet[12],
            .destination = &packet[16]};
  if (ip.transport < kIp4Header || ip.length < ip.transport || ip.length > packet.size()) return std::nullopt;
  return ip;
}

std::optional<IpView> parseIp6(Bytes packet) {
  if (packet.size() < kIp6Header) return std::nullopt;
  IpView ip{.family = Family::v6,
            .protocol = packet[6],
            .transport = kIp6Header,
            .length = kIp6Header + word(&packet[4]),
            .fragment = false,
            .source = &packet[8],
            .destination = &packet[24]};
  if (ip.length > packet.size()) return std::nullopt;
  return ip;
}

}  // namespace

std::optional<IpView> parseIp(Bytes packet) {
  if (packet.empty()) return std::nullopt;
  switch (packet[0] >> 4U) {
    case 4:
      return parseIp4(packet);
    case 6:
      return parseIp6(packet);
    default:
      return std::nullopt;
  }
}

std::uint64_t pseudoHeaderSum(const IpView& ip, std::size_t transportLength) {
  // Source and destination stand side by side. A length beyond 16 bits cannot be: that is an IP packet's.
  std::uint64_t sum = addToChecksum(Bytes(ip.source, ip.addressSize() * 2));
  sum = addToChecksum(ip.protocol, sum);
  return addToChecksum(static_cast<std::uint16_t>(transportLength), sum);
}

bool hasSoundChecksum(const IpView& ip, Bytes packet) {
  const std::size_t length = ip.length - ip.transport;
  if (ip.protocol == IPPROTO_UDP && ip.family == Family::v4 && length >= kUdpHeader &&
      word(&packet[ip.transport + 6]) == 0) {
    return true;
  }
  return foldChecksum(addToChecksum(packet.subspan(ip.transport, length), pseudoHeaderSum(ip, length))) == 0;
}

bool hasPartialChecksum(const IpView& ip, Bytes packet) {
  if ((ip.protocol != IPPROTO_TCP && ip.protocol != IPPROTO_UDP) || ip.fragment) return false;
  const std::size_t at = ip.transport + checksumOffset(ip.protocol);
  if (at + 2 > ip.length) return false;
  const auto sum = static_cast<std::uint16_t>(~foldChecksum(pseudoHeaderSum(ip, ip.length - ip.transport)));
  return std::memcmp(&packet[at], &sum, sizeof sum) == 0;
}

VnetHeader completeChecksum(const IpView& ip) {
  const bool large = ip.protocol == IPPROTO_TCP && ip.length > kSurelyWhole;
  const auto tcpType = ip.family == Family::v4 ? kGsoTcp4 : kGsoTcp6;
  return {.flags = kNeedsChecksum,
          .gsoType = large ? tcpType : kGsoNone,
          .gsoSize = large ? kSegment : std::uint16_t{0},
          .checksumStart = static_cast<std::uint16_t>(ip.transport),
          .checksumOffset = static_cast<std::uint16_t>(checksumOffset(ip.protocol))};
}

std::size_t tcpHeaderLength(Bytes packet, std::size_t transport) {
  if (packet.size() < transport + kTcpHeader) return 0;
  const std::size_t length = (packet[transport + 12] >> 4U) * std::size_t{4};
  return length < kTcpHeader || packet.size() < transport + length ? 0 : length;
}

void finishIpHeader(MutableBytes header, Family family, std::size_t length, std::uint16_t identification) {
  if (family == Family::v6) {
    setWord(&header[4], static_cast<std::uint16_t>(length - kIp6Header));
    return;
  }
  const std::size_t headerLength = (header[0] & 0x0fU) * std::size_t{4};
  setWord(&header[2], static_cast<std::uint16_t>(length));
  setWord(&header[4], identification);
  setWord(&header[10], 0);
  const auto checksum = foldChecksum(addToChecksum(header.first(headerLength)));
  std::memcpy(&header[10], &checksum, sizeof checksum);
}

}  // namespace twill::tunnel
