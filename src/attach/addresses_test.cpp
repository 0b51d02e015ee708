// SPDX-License-Identifier: Apache-2.0
#include "attach/addresses.hpp"

#include <doctest/doctest.h>

using namespace twill;

namespace {

const NodeNetwork kNode{
    .node = "node1", .subnet = *Prefix::parse("172.16.0.0/24"), .subnet6 = *Prefix::parse("fd42::/64")};

struct Book {
  TakenAddresses taken;
  std::optional<IpAddress> reserved;
  std::optional<IpAddress> last;
};

AddressRange range(const char* subnet, const char* first = nullptr, const char* last = nullptr,
                   const char* gateway = nullptr) {
  const auto ip = [](const char* text) {
    return text == nullptr ? std::nullopt : std::optional(*IpAddress::parse(text));
  };
  return {.subnet = *Prefix::parse(subnet), .first = ip(first), .last = ip(last), .gateway = ip(gateway)};
}

/// "172.16.0.2/24 via 172.16.0.1, ...", or the error.
std::string choose(const AttachRequest& request, const Book& book = {}, const NodeNetwork& node = kNode) {
  auto chosen =
      chooseAddresses(request, node,
                      {book.taken, [&](const IpAddress& address) { return address == book.reserved; },
                       [&](std::size_t) { return book.last; }});
  if (!chosen) return chosen.error().text;
  std::string out;
  for (const auto& one : *chosen) {
    out += (out.empty() ? "" : ", ") + one.address.text() +
           (one.gateway ? " via " + one.gateway->text() : " without a gateway");
  }
  return out;
}

}  // namespace

TEST_CASE("one address of each of the node's subnets") {
  CHECK(choose({}) == "172.16.0.2/24 via 172.16.0.1, fd42::2/64 via fd42::1");
  CHECK(choose({.mode = AttachMode::routed}) == "172.16.0.2/32 via 169.254.1.1, fd42::2/128 via fe80::1");
}

TEST_CASE("a range inside the node's subnet has the node's length and gateway, unless it names one") {
  CHECK(choose({.ranges = {{range("172.16.0.128/25")}}}) == "172.16.0.129/24 via 172.16.0.1");
  CHECK(choose({.ranges = {{range("172.16.0.0/24", "172.16.0.9")}}}) == "172.16.0.9/24 via 172.16.0.1");
  CHECK(choose({.ranges = {{range("172.16.0.0/24", nullptr, nullptr, "172.16.0.2")}}}) ==
        "172.16.0.3/24 via 172.16.0.2");
}

TEST_CASE("a range elsewhere is a network of its own") {
  CHECK(choose({.ranges = {{range("10.9.0.0/24")}}}) == "10.9.0.2/24 via 10.9.0.1");
  CHECK(choose({.ranges = {{range("10.9.0.0/24")}, {range("fd99::/64")}}}) ==
        "10.9.0.2/24 via 10.9.0.1, fd99::2/64 via fd99::1");
}

TEST_CASE("what is the bridge's, another node's or the underlay's is not given out, in either mode") {
  NodeNetwork node = kNode;
  node.networks = {*Prefix::parse("172.16.0.0/16"), *Prefix::parse("fd42::/48")};
  node.segments = {*Prefix::parse("10.0.0.0/24")};
  for (const auto mode : {AttachMode::bridge, AttachMode::routed}) {
    const auto ask = [&](const char* text) {
      return choose({.mode = mode, .addresses = {*IpAddress::parse(text)}}, {}, node);
    };
    CHECK(ask("172.16.0.1") == "address 172.16.0.1 is the gateway's, twill0 has it");
    CHECK(ask("fd42::1") == "address fd42::1 is the gateway's, twill0 has it");
    const auto in = [&](const char* subnet) {
      return choose({.mode = mode, .ranges = {{range(subnet)}}}, {}, node);
    };
    CHECK(in("172.16.1.0/24").find("cluster's network 172.16.0.0/16") != std::string::npos);
    CHECK(in("172.0.0.0/8").find("not in this node's subnet 172.16.0.0/24") != std::string::npos);
    CHECK(in("fd42:0:0:7::/64").find("not in this node's subnet fd42::/64") != std::string::npos);
    CHECK(in("10.0.0.128/25").find("overlaps 10.0.0.0/24") != std::string::npos);
    const auto given = [&](const char* text) {
      return choose({.mode = mode, .given = {{{*InterfaceAddress::parse(text), {}}}}}, {}, node);
    };
    CHECK(given("172.16.0.1/24").find("is the gateway's") != std::string::npos);
    CHECK(given("172.16.1.5/24").find("not in this node's subnet") != std::string::npos);
    CHECK(given("172.16.0.5/24").find("172.16.0.5/") == 0);
  }
}

TEST_CASE("IPv6 with an MTU below its least is refused, wherever the MTU comes from") {
  const auto check = [](const AttachRequest& request, int mtu, const char* address) {
    NodeNetwork node = kNode;
    node.mtu = mtu;
    const auto result = checkMtu(request, node, {{*InterfaceAddress::parse(address), {}}});
    return result ? "" : result.error().text;
  };
  const AttachRequest plain{.ifname = "eth0"};
  CHECK(check(plain, 1280, "fd42::2/64") == "");
  CHECK(
      check(plain, 1210, "fd42::2/64") ==
      "IPv6 address fd42::2 cannot be had by eth0 with an MTU of 1210: IPv6 needs 1280 (RFC 8200); raise the "
      "MTU of the underlay, of which the backend takes its part, or leave IPv6 out of the network config");
  CHECK(check({.ifname = "eth0", .mtu = 1200}, 1500, "fd42::2/64").ends_with("a larger \"mtu\", or none"));
  CHECK(check({.ifname = "eth0", .mtu = 1200}, 1500, "172.16.0.2/24") == "");
  CHECK(check(plain, 1210, "172.16.0.2/24").starts_with("IPv6 address fd42::1 cannot be had by twill0"));
  CHECK(check({.ifname = "eth0", .mode = AttachMode::routed}, 1210, "172.16.0.2/32") == "");
}

TEST_CASE("a range that cannot be is refused") {
  CHECK(choose({.ranges = {{range("10.9.0.0/24", "10.9.0.9", "10.9.0.3")}}}) ==
        "ipam: the range in 10.9.0.0/24 ends before it begins");
  CHECK(choose({.ranges = {{range("10.9.0.0/24", "10.8.0.9")}}}) ==
        "ipam: the range in 10.9.0.0/24 does not contain 10.8.0.9");
}

TEST_CASE("ranges that overlap are refused, in one set and across sets") {
  const auto apart = range("10.9.0.0/24", "10.9.0.100", "10.9.0.199");
  CHECK(choose({.ranges = {{range("10.9.0.0/24", "10.9.0.2", "10.9.0.99"), apart}}})
            .starts_with("10.9.0.2/24"));
  const auto both = [](const std::string& one, const std::string& other) {
    return "ipam: the ranges " + one + " and " + other +
           " overlap; set them apart by rangeStart and rangeEnd, or leave one out";
  };
  CHECK(choose({.ranges = {{apart, range("10.9.0.0/24", "10.9.0.199")}}}) ==
        both("10.9.0.100-10.9.0.199", "10.9.0.199-10.9.0.254"));
  CHECK(choose({.ranges = {{range("172.16.0.0/24")}, {range("fd99::/64")}, {range("172.16.0.128/25")}}}) ==
        both("172.16.0.1-172.16.0.254", "172.16.0.129-172.16.0.254"));
}

TEST_CASE("a bridged network of its own has room for a gateway and a container") {
  for (const auto& [subnet, least] : {std::pair{"10.9.0.0/31", "/30"},
                                      {"10.9.0.0/32", "/30"},
                                      {"fd99::/127", "/126"},
                                      {"fd99::/128", "/126"}}) {
    CHECK(choose({.ranges = {{range(subnet)}}}) ==
          std::string("ipam: the range in ") + subnet +
              " is too small for a gateway and a container; choose a " + least +
              " or larger, or \"attach\": \"routed\", which needs no gateway in it");
  }
  CHECK(choose({.ranges = {{range("10.9.0.0/30")}}}) == "10.9.0.2/30 via 10.9.0.1");
  CHECK(choose({.mode = AttachMode::routed, .ranges = {{range("10.9.0.5/32")}}}) ==
        "10.9.0.5/32 via 169.254.1.1");
  CHECK(choose({.ranges = {{range("172.16.0.10/32")}}}) == "172.16.0.10/24 via 172.16.0.1");
}

TEST_CASE("what was asked for is had, or said to be impossible") {
  const IpAddress wanted = *IpAddress::parse("172.16.0.9");
  CHECK(choose({.addresses = {wanted}}) == "172.16.0.9/24 via 172.16.0.1, fd42::2/64 via fd42::1");
  CHECK(choose({.addresses = {wanted}}, {.taken = {{wanted, "net/web/eth0"}}}) ==
        "requested address 172.16.0.9 is taken by net/web/eth0");
  CHECK(choose({.addresses = {wanted}}, {.reserved = wanted}) ==
        "requested address 172.16.0.9 is reserved by the host-local plugin");
  CHECK(choose({.addresses = {wanted}, .ranges = {{range("10.9.0.0/30")}}}) ==
        "requested address 172.16.0.9 is not in range 10.9.0.1-10.9.0.2");
}

TEST_CASE("what host-local has reserved is passed over, and freed addresses rest") {
  CHECK(choose({.ranges = {{range("10.9.0.0/24")}}}, {.reserved = *IpAddress::parse("10.9.0.2")}) ==
        "10.9.0.3/24 via 10.9.0.1");
  CHECK(choose({.ranges = {{range("10.9.0.0/24")}}}, {.last = *IpAddress::parse("10.9.0.7")}) ==
        "10.9.0.8/24 via 10.9.0.1");
}

TEST_CASE("an address that another plugin gave is taken as it is, unless somebody has it") {
  const GivenAddress given{.address = *InterfaceAddress::parse("10.7.0.5/16"), .gateway = {}};
  CHECK(choose({.given = {{given}}}) == "10.7.0.5/16 without a gateway");
  CHECK(choose({.mode = AttachMode::routed, .given = {{given}}}) == "10.7.0.5/32 via 169.254.1.1");
  CHECK(choose({.given = {{given}}}, {.taken = {{given.address.address, "net/web/eth0"}}}) ==
        "address 10.7.0.5, which the ipam plugin has chosen, is taken by net/web/eth0");
}
