// SPDX-License-Identifier: Apache-2.0
#include "agent/path_mtus.hpp"

#include <vector>

#include <doctest/doctest.h>

using namespace twill;
using namespace std::chrono_literals;

namespace {

/// As a router wrote it: 10.0.0.1 to 10.0.0.10 about a packet of 1488 bytes to 10.0.1.10 by protocol 4, MTU
/// 1400.
std::vector<std::uint8_t> icmp() {
  return {0x45, 0, 0,    0x38, 0, 1, 0,    0,    0x40, 1, 0,    0,    10, 0, 0, 1,  10, 0, 0, 10,  // IPv4
          3,    4, 0,    0,    0, 0, 0x05, 0x78,                                                   // ICMP
          0x45, 0, 0x05, 0xd0, 0, 0, 0x40, 0,    0x40, 4, 0x20, 0x17, 10, 0, 0, 10, 10, 0, 1, 10,  // quoted
          0x45, 0, 0x05, 0xbc, 0, 0, 0x40, 0};
}

const IpAddress kNode = *IpAddress::parse("10.0.0.10");
const IpAddress kPeer = *IpAddress::parse("10.0.1.10");
constexpr int kLink = 1500;

TooBig said(int mtu, int bytes = 1500) {
  return {.source = kNode, .destination = kPeer, .protocol = 4, .bytes = bytes, .mtu = mtu};
}

}  // namespace

TEST_CASE("what a router says of a packet is read, and nothing from what is cut short or of another kind") {
  CHECK(readTooBig(icmp()) ==
        TooBig{.source = kNode, .destination = kPeer, .protocol = 4, .bytes = 1488, .mtu = 1400});
  const auto whole = icmp();
  for (std::size_t size = 0; size < 48; ++size) CHECK_FALSE(readTooBig(std::span(whole).first(size)));
  for (const auto& [at, value] :
       {std::pair{9, 17}, {20, 11}, {21, 1}, {28, 0x65}, {28, 0x41}, {28, 0x4f}, {0, 0x4f}}) {
    auto changed = icmp();
    changed[static_cast<std::size_t>(at)] = static_cast<std::uint8_t>(value);
    CHECK_FALSE(readTooBig(changed));
  }
}

TEST_CASE("the path's MTU only falls, and is forgotten after a while") {
  PathMtus mtus;
  const TimePoint now{};
  CHECK_FALSE(mtus.nextEnd(now));
  CHECK(mtus.note(said(1400), kLink, now));
  CHECK(mtus.at(now) == std::map<IpAddress, int>{{kPeer, 1400}});
  CHECK_FALSE(mtus.note(said(1450), kLink, now));
  CHECK_FALSE(mtus.note(said(1400), kLink, now + 1min));
  CHECK(mtus.note(said(1300), kLink, now + 2min));
  CHECK(mtus.at(now + 2min).at(kPeer) == 1300);
  CHECK(mtus.nextEnd(now + 2min) == now + 2min + PathMtus::kLife);
  CHECK(mtus.at(now + 2min + PathMtus::kLife).empty());
  CHECK(mtus.note(said(1400), kLink, now + 2min + PathMtus::kLife));
}

TEST_CASE("what no router would say of an IPIP packet of this node's does not count") {
  PathMtus mtus;
  const TimePoint now{};
  auto other = said(1400);
  other.protocol = 17;
  for (const auto& one : {said(0), said(575), said(1500), said(9000, 9100), said(1400, 1400), other})
    CHECK_FALSE(mtus.note(one, kLink, now));
  CHECK(mtus.at(now).empty());
  other.protocol = 41;
  CHECK(mtus.note(other, kLink, now));
  CHECK(mtus.note(said(576), kLink, now));
}
