// SPDX-License-Identifier: Apache-2.0
#include "lab/frame.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace twill;
using namespace twill::lab;

namespace {

using Packet = std::vector<std::uint8_t>;

Packet bytes(std::string_view hex) {
  Packet out;
  for (std::size_t i = 0; i + 1 < hex.size();) {
    if (hex[i] == ' ') {
      ++i;
      continue;
    }
    out.push_back(static_cast<std::uint8_t>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
    i += 2;
  }
  return out;
}

std::string text(const std::vector<Layer>& layers) {
  std::string out;
  for (const auto& layer : layers) out += fmt::format("{} {} {}\n", layer.name, layer.bytes, layer.text);
  return out;
}

/// An echo request between containers, as it is between two nodes of a vxlan cluster.
const char* const kInTunnel =
    "aabbcc000002 aabbcc000001 0800 "
    "4500006e 00000000 4011 0000 0a00000a 0a000014 "
    "c350 2118 005a 0000 "
    "08000000 00000100 "
    "020000000002 020000000001 0800 "
    "4500003c 00004000 3f01 0000 ac100002 ac100102 "
    "0800 0000 0001 0001 "
    "6162636465666768";

}  // namespace

TEST_CASE("each header of a packet in a tunnel, with its bytes") {
  CHECK(text(layersOf(bytes(kInTunnel), true)) ==
        "Ethernet 14 aa:bb:cc:00:00:01 → aa:bb:cc:00:00:02, type 0x0800\n"
        "IPv4 20 10.0.0.10 → 10.0.0.20, TTL 64, UDP\n"
        "UDP 8 50000 → 8472\n"
        "VXLAN 8 VNI 1\n"
        "Ethernet 14 02:00:00:00:00:01 → 02:00:00:00:00:02, type 0x0800\n"
        "IPv4 20 172.16.0.2 → 172.16.1.2, TTL 63, ICMP, DF\n"
        "ICMP 8 echo request\n"
        "data 8 \n");
}

TEST_CASE("what udp carries is looked into, and what is no packet is data") {
  const std::string outer = "45000058 00004000 4011 0000 0a00000a 0a000014 205d 205d 0044 0000 ";
  const std::string inner = "4500001c 00004000 3f01 0000 ac100002 ac100102 0800 0000 0001 0001";
  CHECK(text(layersOf(bytes(outer + inner), false)) ==
        "IPv4 20 10.0.0.10 → 10.0.0.20, TTL 64, UDP, DF\n"
        "UDP 8 8285 → 8285\n"
        "IPv4 20 172.16.0.2 → 172.16.1.2, TTL 63, ICMP, DF\n"
        "ICMP 8 echo request\n");
  CHECK(layersOf(bytes(outer + "00112233"), false).back().name == "data");
  std::string nested;
  for (int i = 0; i < 20; ++i) nested += outer;
  CHECK(layersOf(bytes(nested), false).size() < 12);
}

TEST_CASE("ARP, IPv6 and TCP, and a packet without a frame") {
  CHECK(text(layersOf(bytes("ffffffffffff 020000000001 0806 0001 0800 0604 0001 020000000001 ac100002 "
                            "000000000000 ac100001"),
                      true)) ==
        "Ethernet 14 02:00:00:00:00:01 → ff:ff:ff:ff:ff:ff, type 0x0806\n"
        "ARP 28 who has 172.16.0.1? tell 172.16.0.2\n");
  const auto six =
      layersOf(bytes("60000000 0014 06 3f fd420000000000000000000000000002 "
                     "fd420000000000010000000000000002 c350 0050 00000000 00000000 5002 0000 0000 0000"),
               false);
  CHECK(text(six) ==
        "IPv6 40 fd42::2 → fd42:0:0:1::2, hop limit 63, TCP\n"
        "TCP 20 50000 → 80, SYN\n");
  CHECK(six[0].src == *IpAddress::parse("fd42::2"));
}

TEST_CASE("a packet that is cut off anywhere ends in data, and no byte is counted twice") {
  const Packet whole = bytes(kInTunnel);
  for (std::size_t length = 0; length <= whole.size(); ++length) {
    const Packet part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
    for (const bool ethernet : {true, false}) {
      int sum = 0;
      for (const auto& layer : layersOf(part, ethernet)) sum += layer.bytes;
      CHECK(sum <= static_cast<int>(length));
    }
  }
}

TEST_CASE("tunnels in tunnels come to an end") {
  Packet nested;
  const Packet once = bytes(std::string_view(kInTunnel).substr(0, 130));
  for (int i = 0; i < 20; ++i) nested.insert(nested.end(), once.begin(), once.end());
  CHECK(layersOf(nested, true).size() < 30);
}
