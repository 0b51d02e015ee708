// SPDX-License-Identifier: Apache-2.0
// What may arrive at the tunnel's port: any bytes, as datagrams of a size that the first two tell. Merging
// loses and adds nothing: what is written is as much payload as came, and never longer than an IP packet can
// be.
#include <algorithm>
#include <cstdlib>

#include "tunnel/icmp.hpp"
#include "tunnel/merge.hpp"
#include "tunnel/split.hpp"

using namespace twill::tunnel;

namespace {

/// Bytes of IP packets that are no headers of merged ones.
std::size_t payloadOf(std::span<const Merger::Write> writes) {
  std::size_t sum = 0;
  for (const auto& write : writes) {
    std::size_t whole = write.headerLength;
    for (const Bytes part : write.parts) {
      sum += part.size();
      whole += part.size();
    }
    if (whole > kLargestPacket || write.parts.empty()) std::abort();
    if (write.headerLength > 0) sum += write.headerLength * write.parts.size();
  }
  return sum;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const std::size_t each = word(data) % 1600U + 1U;
  const Bytes message(data + 2, size - 2);
  Merger merger(true);
  std::size_t sum = 0;
  for (std::size_t at = 0; at < message.size(); at += each) {
    const Bytes packet = message.subspan(at, std::min(each, message.size() - at));
    const auto ip = parseIp(packet);
    if (!ip) continue;
    if (ip->length > packet.size()) std::abort();
    merger.add(*ip, packet);
    sum += ip->length;
    (void)makeIcmpError(*ip, packet.first(ip->length), Trouble::tooLarge, 1400);
  }
  if (payloadOf(merger.finish()) != sum) std::abort();

  // And what a device may give.
  static Arena arena(1U << 18U);
  arena.clear();
  VnetHeader vnet;
  if (size <= sizeof vnet) return 0;
  std::memcpy(&vnet, data, sizeof vnet);
  std::vector<std::uint8_t> packet(data + sizeof vnet, data + size);
  std::vector<Datagram> out;
  (void)split(vnet, packet, arena, out);
  return 0;
}
