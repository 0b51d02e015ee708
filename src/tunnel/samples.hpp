// SPDX-License-Identifier: Apache-2.0
// Packets for the tests of this room.
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

#include "net/checksum.hpp"
#include "tunnel/packet.hpp"

namespace twill::tunnel::samples {

using Packet = std::vector<std::uint8_t>;

inline void setChecksum(Packet& packet, std::size_t at) {
  const auto ip = parseIp(packet);
  std::memset(&packet[at], 0, 2);
  const std::size_t length = ip->length - ip->transport;
  const auto sum =
      foldChecksum(addToChecksum(Bytes(packet).subspan(ip->transport), pseudoHeaderSum(*ip, length)));
  std::memcpy(&packet[at], &sum, 2);
}

/// Headers of IP from .2 in subnet 0 to .2 in subnet 1, and room for what follows.
inline Packet ipPacket(Family family, std::uint8_t protocol, std::size_t transportLength) {
  const bool v4 = family == Family::v4;
  const std::size_t header = v4 ? kIp4Header : kIp6Header;
  Packet packet(header + transportLength);
  const auto source = IpAddress::parse(v4 ? "172.16.0.2" : "fd42::2");
  const auto destination = IpAddress::parse(v4 ? "172.16.1.2" : "fd42:0:0:1::2");
  packet[0] = v4 ? 0x45 : 0x60;
  packet[v4 ? 8 : 7] = 64;
  packet[v4 ? 9 : 6] = protocol;
  if (v4) packet[6] = 0x40;  // don't fragment
  std::copy_n(source->bytes().begin(), source->bytes().size(), &packet[v4 ? 12 : 8]);
  std::copy_n(destination->bytes().begin(), destination->bytes().size(), &packet[v4 ? 16 : 24]);
  finishIpHeader(packet, family, packet.size(), 100);
  return packet;
}

/// A TCP segment from port 1000 to 2000; the payload counts up from the low byte of `sequence`.
inline Packet tcp(Family family, std::uint32_t sequence, std::size_t payload, std::uint8_t flags = 0x10) {
  Packet packet = ipPacket(family, IPPROTO_TCP, kTcpHeader + payload);
  const std::size_t at = packet.size() - kTcpHeader - payload;
  setWord(&packet[at], 1000);
  setWord(&packet[at + 2], 2000);
  setLongWord(&packet[at + 4], sequence);
  packet[at + 12] = 0x50;
  packet[at + 13] = flags;
  setWord(&packet[at + 14], 500);
  for (std::size_t i = 0; i < payload; ++i)
    packet[at + kTcpHeader + i] = static_cast<std::uint8_t>(sequence + i);
  setChecksum(packet, at + 16);
  return packet;
}

inline Packet udp(Family family, std::uint8_t fill, std::size_t payload) {
  Packet packet = ipPacket(family, IPPROTO_UDP, kUdpHeader + payload);
  const std::size_t at = packet.size() - kUdpHeader - payload;
  setWord(&packet[at], 1000);
  setWord(&packet[at + 2], 2000);
  setWord(&packet[at + 4], static_cast<std::uint16_t>(kUdpHeader + payload));
  std::fill_n(&packet[at + kUdpHeader], payload, fill);
  setChecksum(packet, at + 6);
  return packet;
}

}  // namespace twill::tunnel::samples
