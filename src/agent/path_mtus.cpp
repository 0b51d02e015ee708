// SPDX-License-Identifier: Apache-2.0
#include "agent/path_mtus.hpp"

#include <netinet/in.h>

namespace twill {
namespace {

constexpr std::size_t kIcmpHeader = 8;
constexpr std::uint8_t kUnreachable = 3, kFragmentationNeeded = 4;

/// Two bytes in network order.
int wordAt(std::span<const std::uint8_t> bytes, std::size_t at) {
  return bytes[at] << 8 | bytes[at + 1];
}

/// The length of an IPv4 header; 0 when there is none.
std::size_t headerOf(std::span<const std::uint8_t> packet) {
  constexpr std::size_t kShortest = 20;
  if (packet.size() < kShortest || packet[0] >> 4 != 4) return 0;
  const std::size_t length = std::size_t{4} * (packet[0] & 0x0fU);
  return length < kShortest || length > packet.size() ? 0 : length;
}

}  // namespace

std::optional<TooBig> readTooBig(std::span<const std::uint8_t> packet) {
  const auto header = headerOf(packet);
  if (header == 0 || packet[9] != IPPROTO_ICMP || packet.size() < header + kIcmpHeader) return std::nullopt;
  const auto icmp = packet.subspan(header);
  const auto quoted = icmp.subspan(kIcmpHeader);
  if (icmp[0] != kUnreachable || icmp[1] != kFragmentationNeeded || headerOf(quoted) == 0)
    return std::nullopt;
  return TooBig{.source = IpAddress::fromBytes(quoted.subspan(12, 4)),
                .destination = IpAddress::fromBytes(quoted.subspan(16, 4)),
                .protocol = quoted[9],
                .bytes = wordAt(quoted, 2),
                .mtu = wordAt(icmp, 6)};
}

bool PathMtus::note(const TooBig& said, int linkMtu, TimePoint now) {
  const bool ipip = said.protocol == IPPROTO_IPIP || said.protocol == IPPROTO_IPV6;
  // No router refuses what its link takes.
  if (!ipip || said.mtu < kLeast || said.mtu >= linkMtu || said.mtu >= said.bytes) return false;
  std::erase_if(entries_, [&](const auto& entry) { return entry.second.end <= now; });
  const auto found = entries_.find(said.destination);
  const bool holds = found != entries_.end();
  // More than was said before is about a packet of before.
  if (holds && said.mtu > found->second.mtu) return false;
  const bool news = !holds || said.mtu < found->second.mtu;
  entries_[said.destination] = {.mtu = said.mtu, .end = now + kLife};
  return news;
}

std::map<IpAddress, int> PathMtus::at(TimePoint now) const {
  std::map<IpAddress, int> out;
  for (const auto& [node, entry] : entries_) {
    if (entry.end > now) out.emplace(node, entry.mtu);
  }
  return out;
}

std::optional<TimePoint> PathMtus::nextEnd(TimePoint now) const {
  std::optional<TimePoint> first;
  for (const auto& [node, entry] : entries_) {
    if (entry.end > now && (!first || entry.end < *first)) first = entry.end;
  }
  return first;
}

}  // namespace twill
