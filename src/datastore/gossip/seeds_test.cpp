// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/seeds.hpp"

#include <doctest/doctest.h>

using namespace twill;
using namespace twill::gossip;

TEST_CASE("a peer is named by a host or an address, with a port or without") {
  const auto parsed = [](const std::string& text) {
    const auto seed = parseSeed(text);
    REQUIRE_MESSAGE(seed.has_value(), text);
    return *seed;
  };
  CHECK(parsed("n1") == SeedName{"n1", kDefaultPort});
  CHECK(parsed("n1.example.org:7000") == SeedName{"n1.example.org", 7000});
  CHECK(parsed("192.0.2.1") == SeedName{"192.0.2.1", 7946});
  CHECK(parsed("192.0.2.1:1") == SeedName{"192.0.2.1", 1});
  CHECK(parsed("192.0.2.1:65535") == SeedName{"192.0.2.1", 65535});
  CHECK(parsed("2001:db8::1") == SeedName{"2001:db8::1", 7946});
  CHECK(parsed("[2001:db8::1]") == SeedName{"2001:db8::1", 7946});
  CHECK(parsed("[2001:db8::1]:7000") == SeedName{"2001:db8::1", 7000});
}

TEST_CASE("an endpoint's text names the peer that it is") {
  for (const auto* address : {"192.0.2.1", "2001:db8::1", "::1"}) {
    const Endpoint endpoint{IpAddress::parse(address).value(), 7947};
    const auto seed = parseSeed(endpoint.text());
    REQUIRE(seed);
    CHECK(*seed == SeedName{address, 7947});
  }
}

TEST_CASE("what names no peer is refused, and shown") {
  for (const auto* text : {"",
                           ":",
                           ":7946",
                           "[]",
                           "[]:7946",
                           "n1:",
                           "n1:0",
                           "n1:65536",
                           "n1:-1",
                           "n1:+1",
                           "n1:7946x",
                           "n1: 7946",
                           "n1:http",
                           "n 1",
                           "n1/24",
                           "192.0.2.0/24",
                           "n1\t",
                           "[2001:db8::1",
                           "[2001:db8::1]7946",
                           "[2001:db8::1]:",
                           "[2001:db8::1]:0",
                           "[n1]:7946",
                           "2001:db8::1]:7946",
                           "n1:7946:7946",
                           "http://n1:80",
                           "2001:db8::1::7946",
                           "[[::1]]:7946"}) {
    CAPTURE(text);
    const auto seed = parseSeed(text);
    REQUIRE_FALSE(seed);
    CHECK(seed.error().kind == Error::Kind::invalid);
    CHECK(seed.error().text.starts_with("'" + std::string(text) + "' is not a peer"));
  }
}
