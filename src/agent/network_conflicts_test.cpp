// SPDX-License-Identifier: Apache-2.0
#include "agent/network_conflicts.hpp"

#include <doctest/doctest.h>

using namespace twill;

namespace {

NetworkConfig config(const std::string& text) {
  return *parseNetworkConfig(text);
}

std::string conflict(const std::string& mine, const std::string& other) {
  return conflictOf(config(mine), config(other));
}

}  // namespace

TEST_CASE("networks of one node must not overlap, in either family") {
  CHECK(conflict(R"({"Network":"10.1.0.0/16","Backend":{"Type":"host-gw"}})", R"({"Network":"10.2.0.0/16"})")
            .empty());
  CHECK(conflict(R"({"Network":"10.1.0.0/16"})", R"({"Network":"10.0.0.0/8"})") ==
        "10.1.0.0/16 overlaps 10.0.0.0/8");
  const std::string both = R"("EnableIPv6":true,"IPv6Network":"fd42::/56"})";
  CHECK(conflict(R"({"Network":"10.1.0.0/16",)" + both, R"({"Network":"10.2.0.0/16",)" + both) ==
        "fd42::/56 overlaps fd42::/56");
}

TEST_CASE("a tunnel belongs to one network") {
  const auto with = [](const char* network, const char* backend) {
    return std::string(R"({"Network":")") + network + R"(","Backend":)" + backend + "}";
  };
  const char* one = "10.1.0.0/16";
  const char* two = "10.2.0.0/16";
  CHECK(conflict(with(one, R"({"Type":"vxlan"})"), with(two, R"({"Type":"vxlan"})")) ==
        "Backend.VNI 1 is that");
  CHECK(conflict(with(one, R"({"Type":"vxlan"})"), with(two, R"({"Type":"vxlan","VNI":2})")).empty());
  CHECK(conflict(with(one, R"({"Type":"udp","Port":9})"), with(two, R"({"Type":"udp","Port":9})")) ==
        "Backend.Port 9 is that");
  CHECK(conflict(with(one, R"({"Type":"udp"})"), with(two, R"({"Type":"udp","Port":8285})")) ==
        "Backend.Port 8285 is that");
  CHECK(conflict(with(one, R"({"Type":"udp"})"), with(two, R"({"Type":"vxlan"})")).empty());
  CHECK(conflict(with(one, R"({"Type":"udp","Port":8472})"), with(two, R"({"Type":"vxlan"})")) ==
        "Backend.Port 8472 is that");
  CHECK(conflict(with(one, R"({"Type":"host-gw"})"), with(two, R"({"Type":"host-gw"})")).empty());
  CHECK(conflict(with(one, R"({"Type":"ipip"})"), with(two, R"({"Type":"ipip"})")) ==
        "Backend.Type ipip is that");
  CHECK(conflict(with(one, R"({"Type":"ipip"})"), with(two, R"({"Type":"udp"})")).empty());
  CHECK(conflict(with(one, R"({"Type":"host-gw"})"), with(two, R"({"Type":"ipip"})")).empty());
  CHECK(conflict(with(one, R"({"Type":"vxlan","Port":9})"), with(two, R"({"Type":"vxlan"})")) ==
        "Backend.VNI 1 is that");
  const std::vector lingering{*holdingOf("vxlan", {.type = "vxlan"})};
  CHECK(conflictOf(config(with(one, R"({"Type":"vxlan"})")), config(with(two, R"({"Type":"host-gw"})")),
                   lingering) == "Backend.VNI 1 is that");
}
