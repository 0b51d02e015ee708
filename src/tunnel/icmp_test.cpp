// SPDX-License-Identifier: Apache-2.0
#include "tunnel/icmp.hpp"

#include <doctest/doctest.h>

#include "tunnel/samples.hpp"

using namespace twill;
using namespace twill::tunnel;

TEST_CASE("a router's word about a packet that is too large quotes it and says what fits") {
  const auto packet = samples::udp(Family::v4, 1, 1400);
  const auto message = makeIcmpError(*parseIp(packet), packet, Trouble::tooLarge, 1372);
  REQUIRE(message);
  CHECK((*message)[0] == 3);
  CHECK((*message)[1] == 4);
  CHECK(word(&(*message)[6]) == 1372);
  CHECK(message->size() == 556);  // 576 with the IP header
  CHECK(foldChecksum(addToChecksum(*message)) == 0);
  CHECK(std::equal(message->begin() + 8, message->end(), packet.begin()));

  const auto packet6 = samples::udp(Family::v6, 1, 1400);
  const auto message6 = makeIcmpError(*parseIp(packet6), packet6, Trouble::tooLarge, 1352);
  REQUIRE(message6);
  CHECK((*message6)[0] == 2);
  CHECK(longWord(&(*message6)[4]) == 1352);
  CHECK(message6->size() == 1240);
}

TEST_CASE("a short packet is quoted whole") {
  const auto packet = samples::udp(Family::v4, 1, 4);
  const auto message = makeIcmpError(*parseIp(packet), packet, Trouble::unreachable, 0);
  REQUIRE(message);
  CHECK(message->size() == 8 + packet.size());
}

TEST_CASE("nothing is said about errors, later fragments, multicast, and senders that are nobody") {
  const auto about = [](samples::Packet packet, std::size_t at, std::uint8_t value) {
    packet[at] = value;
    return makeIcmpError(*parseIp(packet), packet, Trouble::unreachable, 0).has_value();
  };
  const auto icmp = samples::ipPacket(Family::v4, IPPROTO_ICMP, 64);
  CHECK(about(icmp, kIp4Header, 8));
  CHECK_FALSE(about(icmp, kIp4Header, 3));
  CHECK_FALSE(about(icmp, kIp4Header, 11));
  const auto icmp6 = samples::ipPacket(Family::v6, IPPROTO_ICMPV6, 64);
  CHECK(about(icmp6, kIp6Header, 128));
  CHECK_FALSE(about(icmp6, kIp6Header, 1));
  const auto udp = samples::udp(Family::v4, 1, 100);
  CHECK_FALSE(about(udp, 7, 5));     // a later fragment
  CHECK_FALSE(about(udp, 16, 224));  // to a group
  CHECK_FALSE(about(udp, 12, 127));
}
