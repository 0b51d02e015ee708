// SPDX-License-Identifier: Apache-2.0
#include "tunnel/split.hpp"

#include <algorithm>

#include "net/checksum.hpp"

namespace twill::tunnel {
namespace {

constexpr std::uint8_t kFin = 0x01;  // flags in byte 13 of a TCP header, RFC 9293
constexpr std::uint8_t kPsh = 0x08;
constexpr std::uint8_t kCwr = 0x80;  // RFC 3168

bool fillInChecksum(const VnetHeader& vnet, MutableBytes packet) {
  const std::size_t at = std::size_t{vnet.checksumStart} + vnet.checksumOffset;
  if (vnet.checksumStart >= packet.size() || at + 2 > packet.size()) return false;
  auto checksum = foldChecksum(addToChecksum(packet.subspan(vnet.checksumStart)));
  const bool udp = vnet.checksumOffset == 6;
  if (checksum == 0 && udp) checksum = 0xffff;  // 0 means none there (RFC 768)
  std::memcpy(&packet[at], &checksum, sizeof checksum);
  return true;
}

/// What differs from segment to segment.
struct Segment {
  std::size_t index = 0;
  std::size_t offset = 0;  ///< of its payload in the whole packet's
  bool first = false, last = false;
};

void finishTcp(std::uint8_t* tcp, const Segment& segment) {
  setLongWord(tcp + 4, longWord(tcp + 4) + static_cast<std::uint32_t>(segment.offset));
  if (!segment.last) tcp[13] &= static_cast<std::uint8_t>(~(kFin | kPsh));
  if (!segment.first) tcp[13] &= static_cast<std::uint8_t>(~kCwr);
}

void setChecksum(const IpView& whole, MutableBytes header, Bytes payload, std::size_t at, bool udp) {
  std::memset(&header[at], 0, 2);
  const std::size_t length = header.size() - whole.transport + payload.size();
  auto sum = addToChecksum(header.subspan(whole.transport), pseudoHeaderSum(whole, length));
  auto checksum = foldChecksum(addToChecksum(payload, sum));
  if (checksum == 0 && udp) checksum = 0xffff;
  std::memcpy(&header[at], &checksum, sizeof checksum);
}

/// Length of IP and TCP or UDP header of a packet that is to be cut; 0 when it is not what `vnet` says.
std::size_t headersOf(const VnetHeader& vnet, const IpView& ip, Bytes packet) {
  const auto type = static_cast<std::uint8_t>(vnet.gsoType & ~kGsoEcn);
  if (vnet.gsoSize == 0 || ip.fragment || ip.length != packet.size()) return 0;
  if (type == kGsoUdp) {
    if (ip.protocol != IPPROTO_UDP || packet.size() < ip.transport + kUdpHeader) return 0;
    return ip.transport + kUdpHeader;
  }
  if (type != (ip.family == Family::v4 ? kGsoTcp4 : kGsoTcp6) || ip.protocol != IPPROTO_TCP) return 0;
  const std::size_t tcp = tcpHeaderLength(packet, ip.transport);
  return tcp == 0 ? 0 : ip.transport + tcp;
}

bool cut(const VnetHeader& vnet, const IpView& ip, MutableBytes packet, Arena& arena,
         std::vector<Datagram>& out) {
  const std::size_t headers = headersOf(vnet, ip, packet);
  if (headers == 0) return false;
  const Bytes payload = packet.subspan(headers);
  const std::size_t count = std::max<std::size_t>(1, (payload.size() + vnet.gsoSize - 1) / vnet.gsoSize);
  const auto identification = ip.family == Family::v4 ? word(&packet[4]) : std::uint16_t{0};
  const bool udp = ip.protocol == IPPROTO_UDP;
  for (std::size_t i = 0; i < count; ++i) {
    const Segment segment{i, i * vnet.gsoSize, i == 0, i + 1 == count};
    const auto part =
        payload.subspan(segment.offset, std::min<std::size_t>(vnet.gsoSize, payload.size() - segment.offset));
    const MutableBytes header = arena.take(headers);
    if (header.empty()) return false;
    std::memcpy(header.data(), packet.data(), headers);
    finishIpHeader(header, ip.family, headers + part.size(), static_cast<std::uint16_t>(identification + i));
    if (udp) {
      setWord(&header[ip.transport + 4], static_cast<std::uint16_t>(kUdpHeader + part.size()));
    } else {
      finishTcp(&header[ip.transport], segment);
    }
    setChecksum(ip, header, part, ip.transport + (udp ? 6 : 16), udp);
    out.push_back({header, part});
  }
  return true;
}

}  // namespace

bool split(const VnetHeader& vnet, MutableBytes packet, Arena& arena, std::vector<Datagram>& out) {
  const auto ip = parseIp(packet);
  if (!ip) return false;
  if ((vnet.gsoType & ~kGsoEcn) != kGsoNone) return cut(vnet, *ip, packet, arena, out);
  if ((vnet.flags & kNeedsChecksum) != 0 && !fillInChecksum(vnet, packet)) return false;
  out.push_back({packet.first(ip->length), {}});
  return true;
}

}  // namespace twill::tunnel
