// SPDX-License-Identifier: Apache-2.0
#include "net/address.hpp"

#include <iterator>

#include <doctest/doctest.h>

using namespace twill;

TEST_CASE("an address survives text and back, in both families") {
  for (const char* text : {"0.0.0.0", "10.0.0.1", "255.255.255.255", "::", "fd00::1", "2001:db8:0:1::a"}) {
    auto address = IpAddress::parse(text);
    REQUIRE(address);
    CHECK(address->text() == text);
  }
}

TEST_CASE("what is not an address is refused") {
  for (const char* text :
       {"", "10.0.0", "10.0.0.256", "10.0.0.1/24", " 10.0.0.1", "fd00::1%eth0", "fd00:::1"}) {
    CHECK_FALSE(IpAddress::parse(text));
  }
  CHECK_FALSE(IpAddress::parse(std::string_view("10.0.0.1\0.9", 11)));
}

TEST_CASE("addresses that stand for no single node are known") {
  CHECK(IpAddress::parse("255.255.255.255")->isBroadcast());
  CHECK_FALSE(IpAddress::parse("255.255.255.254")->isBroadcast());
  CHECK_FALSE(IpAddress::parse("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")->isBroadcast());
  CHECK(IpAddress::parse("::ffff:10.0.0.1")->isMappedV4());
  CHECK_FALSE(IpAddress::parse("::fffe:10.0.0.1")->isMappedV4());
  CHECK_FALSE(IpAddress::parse("10.0.0.1")->isMappedV4());
}

TEST_CASE("a prefix refuses host bits and says what was meant") {
  auto prefix = Prefix::parse("10.0.0.1/24");
  REQUIRE_FALSE(prefix);
  CHECK(prefix.error().text.find("10.0.0.0/24") != std::string::npos);
  CHECK_FALSE(Prefix::parse("10.0.0.0"));
  CHECK_FALSE(Prefix::parse("10.0.0.0/33"));
  CHECK_FALSE(Prefix::parse("10.0.0.0/-1"));
  CHECK_FALSE(Prefix::parse("10.0.0.0/2x"));
}

TEST_CASE("containment and overlap look at family and length") {
  auto net = *Prefix::parse("172.16.0.0/16");
  CHECK(net.contains(*IpAddress::parse("172.16.255.255")));
  CHECK_FALSE(net.contains(*IpAddress::parse("172.17.0.0")));
  CHECK_FALSE(net.contains(*IpAddress::parse("::")));
  CHECK(net.overlaps(*Prefix::parse("172.0.0.0/8")));
  CHECK(net.overlaps(*Prefix::parse("172.16.9.0/24")));
  CHECK_FALSE(net.overlaps(*Prefix::parse("::/0")));
  CHECK(Prefix::parse("0.0.0.0/0")->contains(net));
}

TEST_CASE("the n-th subnet and its index are inverse") {
  auto net = *Prefix::parse("172.16.0.0/16");
  CHECK(net.subnet(24, 1).text() == "172.16.1.0/24");
  CHECK(net.subnet(24, 255).text() == "172.16.255.0/24");
  CHECK(net.indexOf(net.subnet(24, 77)) == 77);
  auto six = *Prefix::parse("fd42::/56");
  CHECK(six.subnet(64, 3).text() == "fd42:0:0:3::/64");
  CHECK(six.indexOf(six.subnet(64, 200)) == 200);
  CHECK(six.last().text() == "fd42::ff:ffff:ffff:ffff:ffff");
}

TEST_CASE("adding to an address carries over bytes") {
  CHECK(IpAddress::parse("10.0.0.255")->plus(1).text() == "10.0.1.0");
  CHECK(IpAddress::parse("fd00::ffff:ffff:ffff:ffff")->plus(1).text() == "fd00:0:0:1::");
  CHECK(IpAddress::fromV4(0x0a000001).text() == "10.0.0.1");
}

TEST_CASE("a derived MAC is local, unicast and repeatable") {
  auto mac = MacAddress::derive("node1/twill0");
  CHECK((mac.bytes[0] & 3U) == 2U);
  CHECK(mac == MacAddress::derive("node1/twill0"));
  CHECK(mac != MacAddress::derive("node2/twill0"));
  CHECK(*MacAddress::parse(mac.text()) == mac);
  CHECK_FALSE(MacAddress::parse("0a:58:ac:10:00"));
  CHECK_FALSE(MacAddress::parse("0a:58:ac:10:00:0g"));
}

TEST_CASE("a MAC's link-local address is the one that RFC 4291 gives it") {
  CHECK(MacAddress::parse("34:56:78:9a:bc:de")->linkLocal().text() == "fe80::3656:78ff:fe9a:bcde");
}

TEST_CASE("addresses sort by family, then as the numbers that they are") {
  const char* const ascending[] = {"0.0.0.0", "0.0.0.255", "0.0.1.0", "10.0.0.9", "10.0.0.10", "255.0.0.0",
                                   "::",      "::1",       "::100",   "1::",      "fd00::9",   "fd00::10"};
  for (std::size_t i = 0; i < std::size(ascending); ++i) {
    for (std::size_t j = 0; j < std::size(ascending); ++j) {
      const auto a = *IpAddress::parse(ascending[i]);
      const auto b = *IpAddress::parse(ascending[j]);
      CHECK((a < b) == (i < j));
      CHECK((a == b) == (i == j));
    }
  }
}
