// SPDX-License-Identifier: Apache-2.0
// What one end cuts the other puts together again, and each packet between them is one that any host takes.
#include <doctest/doctest.h>

#include "tunnel/merge.hpp"
#include "tunnel/samples.hpp"
#include "tunnel/split.hpp"

using namespace twill;
using namespace twill::tunnel;
using samples::Packet;

namespace {

Packet joined(const Datagram& datagram) {
  Packet packet(datagram.header.begin(), datagram.header.end());
  packet.insert(packet.end(), datagram.payload.begin(), datagram.payload.end());
  return packet;
}

Packet joined(const Merger::Write& write) {
  Packet packet(write.header.begin(), write.header.begin() + static_cast<std::ptrdiff_t>(write.headerLength));
  for (const Bytes part : write.parts) packet.insert(packet.end(), part.begin(), part.end());
  return packet;
}

std::vector<Packet> cut(const VnetHeader& vnet, Packet& packet) {
  static Arena arena(1U << 20U);
  arena.clear();
  std::vector<Datagram> datagrams;
  REQUIRE(split(vnet, packet, arena, datagrams));
  std::vector<Packet> packets;
  for (const Datagram& datagram : datagrams) packets.push_back(joined(datagram));
  return packets;
}

/// What a device is given for these packets, which have to stay.
std::vector<Merger::Write> merge(const std::vector<Packet>& packets) {
  Merger merger(true);
  for (const Packet& packet : packets) merger.add(*parseIp(packet), packet);
  const auto writes = merger.finish();
  return {writes.begin(), writes.end()};
}

void setHeaderChecksum(Packet& packet) {
  finishIpHeader(packet, Family::v4, packet.size(), word(&packet[4]));
}

VnetHeader large(Family family, bool isUdp, std::uint16_t size) {
  const auto type = family == Family::v4 ? kGsoTcp4 : kGsoTcp6;
  return {.flags = kNeedsChecksum, .gsoType = isUdp ? kGsoUdp : type, .gsoSize = size};
}

}  // namespace

TEST_CASE("a large TCP packet is cut into segments, each a sound packet, and merged into the same one") {
  for (const Family family : {Family::v4, Family::v6}) {
    Packet whole = samples::tcp(family, 5000, 3500, 0x18);  // ACK and PSH
    const Packet before = whole;
    const auto packets = cut(large(family, false, 1400), whole);
    REQUIRE(packets.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
      const auto ip = parseIp(packets[i]);
      REQUIRE(ip);
      CHECK(ip->length == packets[i].size());
      CHECK(hasSoundChecksum(*ip, packets[i]));
      CHECK(longWord(&packets[i][ip->transport + 4]) == 5000 + i * 1400);
      CHECK(packets[i][ip->transport + 13] == (i == 2 ? 0x18 : 0x10));
      if (family == Family::v4) CHECK(foldChecksum(addToChecksum(Bytes(packets[i]).first(kIp4Header))) == 0);
    }
    const auto writes = merge(packets);
    REQUIRE(writes.size() == 1);
    CHECK(writes[0].vnet.gsoSize == 1400);
    CHECK(writes[0].vnet.gsoType == (family == Family::v4 ? kGsoTcp4 : kGsoTcp6));
    Packet again = joined(writes[0]);
    samples::setChecksum(again, writes[0].vnet.checksumStart + std::size_t{16});  // as the kernel will
    CHECK(again == before);
  }
}

TEST_CASE("large UDP packets become datagrams of one size but for the last, and large again") {
  for (const Family family : {Family::v4, Family::v6}) {
    Packet whole = samples::udp(family, 7, 2500);
    const Packet before = whole;
    const auto packets = cut(large(family, true, 1000), whole);
    REQUIRE(packets.size() == 3);
    for (const Packet& packet : packets) CHECK(hasSoundChecksum(*parseIp(packet), packet));
    CHECK(packets[2].size() == packets[0].size() - 500);
    const auto writes = merge(packets);
    REQUIRE(writes.size() == 1);
    Packet again = joined(writes[0]);
    samples::setChecksum(again, writes[0].vnet.checksumStart + std::size_t{6});
    CHECK(again == before);
  }
}

TEST_CASE("a checksum that was left to the device is filled in") {
  Packet packet = samples::tcp(Family::v4, 1, 100);
  const Packet sound = packet;
  const auto sum =
      static_cast<std::uint16_t>(~foldChecksum(pseudoHeaderSum(*parseIp(packet), kTcpHeader + 100)));
  std::memcpy(&packet[kIp4Header + 16], &sum, 2);
  const auto packets =
      cut({.flags = kNeedsChecksum, .checksumStart = kIp4Header, .checksumOffset = 16}, packet);
  REQUIRE(packets.size() == 1);
  CHECK(packets[0] == sound);
}

TEST_CASE("what does not belong together stays apart and in order") {
  const Packet first = samples::tcp(Family::v4, 1000, 100);
  const auto writesOf = [&](const Packet& second) { return merge({first, second}).size(); };
  CHECK(writesOf(samples::tcp(Family::v4, 1100, 100)) == 1);
  CHECK(writesOf(samples::tcp(Family::v4, 1100, 50)) == 1);
  CHECK(writesOf(samples::tcp(Family::v4, 1101, 100)) == 2);        // a gap
  CHECK(writesOf(samples::tcp(Family::v4, 1100, 101)) == 2);        // larger than the first
  CHECK(writesOf(samples::tcp(Family::v4, 1100, 100, 0x11)) == 2);  // FIN
  CHECK(writesOf(samples::tcp(Family::v4, 1100, 0)) == 2);          // an acknowledgement
  CHECK(writesOf(samples::tcp(Family::v6, 1100, 100)) == 2);

  Packet other = samples::tcp(Family::v4, 1100, 100);
  other[kIp4Header + kTcpHeader] ^= 1U;  // damaged on the way: a new checksum would hide it
  CHECK(writesOf(other) == 2);
  other = samples::tcp(Family::v4, 1100, 100);
  other[10] ^= 1U;  // the IP header's checksum, which would be made anew, too
  CHECK(writesOf(other) == 2);
  other = samples::tcp(Family::v4, 1100, 100);
  other[1] = 3;  // congestion experienced
  setHeaderChecksum(other);
  CHECK(writesOf(other) == 2);
  other = samples::tcp(Family::v4, 1100, 100);
  setWord(&other[kIp4Header + 14], 501);  // another window
  samples::setChecksum(other, kIp4Header + 16);
  CHECK(writesOf(other) == 2);
}

TEST_CASE("a segment that has to be delivered ends the large packet, and a short one does") {
  const auto writes = merge({samples::tcp(Family::v4, 0, 100), samples::tcp(Family::v4, 100, 100, 0x18),
                             samples::tcp(Family::v4, 200, 100), samples::tcp(Family::v4, 300, 10),
                             samples::tcp(Family::v4, 310, 10)});
  REQUIRE(writes.size() == 3);
  CHECK(writes[0].parts.size() == 2);
  CHECK((writes[0].header[kIp4Header + 13] & 8U) != 0);
  CHECK(writes[1].parts.size() == 2);
  CHECK(writes[2].headerLength == 0);  // alone: as it came
}

TEST_CASE("flows that take turns are merged each for itself") {
  std::vector<Packet> packets;
  for (std::uint32_t i = 0; i < 6; ++i) {
    packets.push_back(samples::tcp(Family::v4, i / 2 * 100, 100));
    if (i % 2 == 1) setWord(&packets.back()[kIp4Header], 1001);
    samples::setChecksum(packets.back(), kIp4Header + 16);
  }
  const auto writes = merge(packets);
  REQUIRE(writes.size() == 2);
  CHECK(writes[0].parts.size() == 3);
}

TEST_CASE("UDP without a checksum, fragments and other protocols pass as they are") {
  Packet bare = samples::udp(Family::v4, 1, 50);
  setWord(&bare[kIp4Header + 6], 0);
  Packet fragment = samples::udp(Family::v4, 1, 50);
  fragment[6] = 0x20;
  setHeaderChecksum(fragment);
  const Packet icmp = samples::ipPacket(Family::v4, IPPROTO_ICMP, 64);
  for (const Packet& packet : {bare, fragment, icmp}) {
    const std::vector<Packet> twice{packet, packet};
    const auto writes = merge(twice);
    REQUIRE(writes.size() == 2);
    CHECK(writes[0].vnet.flags == 0);
    CHECK(joined(writes[1]) == packet);
  }
}

TEST_CASE("a header that promises what is not there is refused") {
  Arena arena(2048);
  std::vector<Datagram> out;
  Packet packet = samples::tcp(Family::v4, 0, 100);
  for (const VnetHeader& vnet :
       {VnetHeader{.gsoType = kGsoTcp4, .gsoSize = 0}, VnetHeader{.gsoType = kGsoTcp6, .gsoSize = 10},
        VnetHeader{.gsoType = kGsoUdp, .gsoSize = 10}, VnetHeader{.gsoType = 77, .gsoSize = 10},
        VnetHeader{.flags = kNeedsChecksum, .checksumStart = 139, .checksumOffset = 0},
        VnetHeader{.flags = kNeedsChecksum, .checksumStart = 65535, .checksumOffset = 65535}}) {
    CHECK_FALSE(split(vnet, packet, arena, out));
  }
  CHECK_FALSE(split({.gsoType = kGsoTcp4, .gsoSize = 1}, packet, arena, out));  // no room for the headers
  CHECK_FALSE(split({}, MutableBytes(packet).first(19), arena, out));
  CHECK_FALSE(split({}, {}, arena, out));
}

namespace {

/// As it leaves the kernel of a sender whose network card was to complete the checksum.
Packet partial(Packet packet) {
  const auto ip = *parseIp(packet);
  const auto sum =
      static_cast<std::uint16_t>(~foldChecksum(pseudoHeaderSum(ip, packet.size() - ip.transport)));
  std::memcpy(&packet[ip.transport + checksumOffset(ip.protocol)], &sum, sizeof sum);
  return packet;
}

}  // namespace

TEST_CASE("a checksum that was left to a network card is completed by the kernel") {
  for (const Family family : {Family::v4, Family::v6}) {
    for (const Packet& whole :
         {samples::tcp(family, 1, 100), samples::tcp(family, 1, 0, 0x02), samples::udp(family, 1, 10)}) {
      const auto ip = *parseIp(whole);
      CHECK_FALSE(hasPartialChecksum(ip, whole));
      const auto writes = merge({partial(whole)});
      REQUIRE(writes.size() == 1);
      CHECK(writes[0].vnet.flags == kNeedsChecksum);
      CHECK(writes[0].vnet.gsoType == kGsoNone);
      CHECK(writes[0].vnet.checksumStart == ip.transport);
      CHECK(writes[0].vnet.checksumOffset == checksumOffset(ip.protocol));
      CHECK(merge({whole})[0].vnet.flags == 0);
    }
    const auto large = merge({partial(samples::tcp(family, 0, 20000))});
    CHECK(large[0].vnet.gsoType == (family == Family::v4 ? kGsoTcp4 : kGsoTcp6));
    CHECK(large[0].vnet.gsoSize == 1180);
    const std::vector<Packet> row = {partial(samples::tcp(family, 0, 1000)),
                                     partial(samples::tcp(family, 1000, 1000))};
    const auto merged = merge(row);
    REQUIRE(merged.size() == 1);
    CHECK(merged[0].vnet.gsoSize == 1000);
    CHECK(merged[0].vnet.flags == kNeedsChecksum);
  }
}

TEST_CASE("what is too short for a checksum, or a fragment, has none that could be completed") {
  Packet packet = samples::ipPacket(Family::v4, IPPROTO_TCP, 10);
  CHECK_FALSE(hasPartialChecksum(*parseIp(packet), packet));
  packet = partial(samples::udp(Family::v4, 1, 10));
  packet[6] = 0x20;  // more fragments
  setHeaderChecksum(packet);
  CHECK_FALSE(hasPartialChecksum(*parseIp(packet), packet));
  packet = samples::ipPacket(Family::v6, IPPROTO_ICMPV6, 20);
  CHECK_FALSE(hasPartialChecksum(*parseIp(packet), packet));
}
