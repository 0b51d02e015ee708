// SPDX-License-Identifier: Apache-2.0
// That BIRD takes what is written here is test/interop's.
#include "datastore/bgp/bird_config.hpp"

#include <doctest/doctest.h>

#include "datastore/bgp/record.hpp"

using namespace twill;
using namespace twill::bgp;

namespace {

BirdSettings settingsOf(const std::string& bgp, const std::string& address = "10.0.0.10") {
  const std::string text = R"({"Network":"10.244.0.0/16","Backend":{"Type":"ipip"},"BGP":)" + bgp + "}";
  return {.config = parseBgpConfig(text).value(),
          .network = parseNetworkConfig(text).value(),
          .node = "node1",
          .address = IpAddress::parse(address).value(),
          .other = {},
          .record = "{}",
          .passwords = {},
          .customFiles = {}};
}

std::string written(const BirdSettings& settings) {
  const auto text = birdConfig(settings);
  REQUIRE(text);
  return *text;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

constexpr const char* kThree =
    R"({"Nodes":[{"Name":"node1","Address":"10.0.0.10"},{"Name":"node2","Address":"10.0.0.20","AS":64513},"10.0.0.5"]})";

}  // namespace

TEST_CASE("in a mesh there is a session with each other node, and of two sides the lower one waits") {
  const auto text = written(settingsOf(kThree));
  CHECK_FALSE(has(text, "neighbor 10.0.0.10 "));
  CHECK(has(text, "neighbor 10.0.0.20 port 179 as 64513;\n  passive on;"));
  CHECK(has(text, "neighbor 10.0.0.5 port 179 as 64512;\n  ipv4"));
  CHECK(has(text, "if bgp_next_hop != 10.0.0.20 then reject;"));
  CHECK(has(text, "10.244.0.0/16{24,24}"));
  CHECK_FALSE(has(text, "source = RTS_BGP then accept"));
  CHECK_FALSE(has(text, "ipv6"));
}

TEST_CASE("with reflectors the others talk with these alone, and they take whom nobody has listed") {
  const char* config = R"({"Nodes":[{"Name":"node1","Address":"10.0.0.10","Reflector":true},
      {"Name":"node2","Address":"10.0.0.20","Reflector":true},"10.0.0.30","10.0.0.40"],"NodePrefixes":["10.0.0.0/24"]})";
  const auto reflector = written(settingsOf(config));
  CHECK(has(reflector,
            "neighbor 10.0.0.30 port 179 as 64512;\n  passive on;\n  rr client; rr cluster id 10.0.0.10;"));
  CHECK(has(reflector, "neighbor 10.0.0.20 port 179 as 64512;\n  passive on;\n  ipv4"));
  CHECK(has(reflector, "neighbor range 10.0.0.0/24 as 64512;"));
  CHECK(has(reflector, "if source = RTS_BGP then accept"));
  auto settings = settingsOf(config, "10.0.0.40");
  settings.node = "node4";
  const auto client = written(settings);
  CHECK(has(client, "neighbor 10.0.0.10 port 179 as 64512;\n  ipv4"));
  CHECK_FALSE(has(client, "neighbor 10.0.0.30"));
  CHECK_FALSE(has(client, "range"));
}

TEST_CASE("a router outside gets this node's subnets and nothing that nodes tell each other") {
  const auto text = written(settingsOf(
      R"({"Peers":[{"Address":"10.0.0.1","AS":65100,"TTLSecurity":true,"Communities":["65100:7"]},
          {"Address":"10.0.0.2","AS":65100,"Nodes":["node2"]},
          {"Address":"10.0.0.3","AS":65100,"WholeCluster":true,"Export":["10.244.0.0/20"],"Import":["10.244.240.0/20"]}]})"));
  CHECK(has(text,
            "bgp_large_community.delete([(4201936745, *, *)]); unset(bgp_med); bgp_community.add((65100, "
            "7)); accept;"));
  CHECK(has(text, "import filter { reject; }"));
  CHECK_FALSE(has(text, "10.0.0.2 "));
  CHECK(has(text,
            "if net !~ [ 10.244.0.0/20+ ] then reject; if !(source = RTS_INHERIT || (source = RTS_BGP && "
            "proto ~ \"tw_n*\")) then reject;"));
  CHECK(has(text,
            "if net !~ [ 10.244.240.0/20+ ] then reject; unset(bgp_med); "
            "bgp_large_community.delete([(4201936745, *, *)]); tw_learn4();"));
}

TEST_CASE("a password is what the file says, and no text of it gets out of its quotes") {
  auto settings = settingsOf(R"({"PasswordFile":"/p","Nodes":["10.0.0.20"]})");
  CHECK_FALSE(birdConfig(settings));
  settings.passwords["/p"] = "secret words";
  CHECK(has(written(settings), "  password \"secret words\";\n"));
  settings.passwords["/p"] = "a\"; debug all; #";
  const auto refused = birdConfig(settings);
  REQUIRE_FALSE(refused);
  CHECK_FALSE(has(refused.error().text, "debug"));
}

TEST_CASE("both families go over one session, each with a next hop that stands for the node") {
  auto settings = settingsOf(R"({"Nodes":["10.0.0.20"],"Peers":[{"Address":"10.0.0.1","AS":65100}]})");
  settings.network =
      parseNetworkConfig(R"({"Network":"10.244.0.0/16","EnableIPv6":true,"IPv6Network":"fd44::/48"})")
          .value();
  settings.other = IpAddress::parse("fd00::10").value();
  const auto text = written(settings);
  CHECK(has(text, "next hop address fd74:7769:6c6c::a00:a; "));
  CHECK(has(text, "if bgp_next_hop != fd74:7769:6c6c::a00:14 then reject;"));
  CHECK(has(text, "next hop address fd00::10; "));
  settings.network =
      parseNetworkConfig(R"({"EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"fd44::/48"})").value();
  settings.other.reset();
  CHECK(birdConfig(settings).error().text.find("10.0.0.1") != std::string::npos);
}

TEST_CASE("a new neighbour, a filter and a record end no session, what both sides agreed on does") {
  const auto before = written(settingsOf(kThree));
  auto settings = settingsOf(kThree);
  settings.record = "another";
  settings.config.exports = {Prefix::parse("10.244.0.0/20").value()};
  settings.config.nodes.push_back({.name = "node4", .address = IpAddress::parse("10.0.0.40").value()});
  CHECK_FALSE(endsSessions(before, written(settings)));
  CHECK_FALSE(endsSessions(written(settings), before));
  settings.config.holdSeconds = 9;
  CHECK(endsSessions(before, written(settings)));
  settings = settingsOf(kThree);
  settings.config.nodes[1].as = 64599;
  CHECK(endsSessions(before, written(settings)));
  CHECK_FALSE(endsSessions("", before));
}

TEST_CASE("a next hop leads back to who announced it") {
  const auto v4 = IpAddress::parse("10.0.0.10").value();
  const auto v6 = IpAddress::parse("fd00::10").value();
  CHECK(routerIdOf(v4) == v4);
  CHECK(routerIdOf(v6).bytes()[0] >= 240);
  CHECK(announcerOf(v4) == v4);
  CHECK(announcerOf(nextHop6Of(routerIdOf(v6))) == routerIdOf(v6));
  CHECK(announcerOf(v6) == v6);
}
