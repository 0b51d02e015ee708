// SPDX-License-Identifier: Apache-2.0
#include "model/tunnel_config.hpp"

#include <doctest/doctest.h>

using namespace twill;

TEST_CASE("a tunnel's config survives text and back") {
  TunnelConfig config{.device = "twill-udp",
                      .underlay = "eth0",
                      .engine = "kernel",
                      .port = 8285,
                      .local4 = IpAddress::parse("10.0.0.10").value(),
                      .local6 = {},
                      .own = {*Prefix::parse("172.16.0.0/24"), *Prefix::parse("fd42::/64")},
                      .peers = {{.name = "node2",
                                 .endpoint = *IpAddress::parse("10.0.0.20"),
                                 .prefixes = {*Prefix::parse("172.16.1.0/24")},
                                 .partialChecksums = true}}};
  const auto again = TunnelConfig::parse(config.text());
  REQUIRE(again);
  CHECK(*again == config);
}

TEST_CASE("what is wrong in a tunnel's config is named") {
  const auto error = [](const char* text) {
    const auto config = TunnelConfig::parse(text);
    return config ? std::string() : config.error().text;
  };
  const char* const good = R"({"device":"d","port":1,"local4":"10.0.0.1","own":[],"peers":[]})";
  CHECK(error(good).empty());
  CHECK(error("{}") == "device is missing");
  CHECK(error("").find("JSON") != std::string::npos);
  CHECK(error(R"({"device":"d","port":0})").find("port is 0") != std::string::npos);
  CHECK(error(R"({"device":"d","port":1,"own":[],"peers":[]})").find("local4") != std::string::npos);
  CHECK(error(R"({"device":"d","port":1,"local4":"fd00::1"})").find("local4") != std::string::npos);
  CHECK(error(R"({"device":"d","port":1,"local4":"10.0.0.1","own":["10.0.0.1/8"]})").find("own") !=
        std::string::npos);
  CHECK(error(R"({"device":"d","port":1,"local4":"10.0.0.1","own":[],"peers":[{"name":"n"}]})") ==
        "endpoint is missing");
  CHECK(error(R"({"device":"d","port":1,"engine":"fast"})").find("\"kernel\"") != std::string::npos);
  CHECK(error(R"({"device":"0123456789abcdef","port":1})").find("15 characters") != std::string::npos);
}
