// SPDX-License-Identifier: Apache-2.0
#include "model/bgp_config.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace twill;

namespace {

std::string faultOf(const std::string& bgp) {
  const auto config = parseBgpConfig(fmt::format(R"({{"Network":"10.244.0.0/16","BGP":{}}})", bgp));
  REQUIRE_FALSE(config);
  CHECK(config.error().kind == Error::Kind::invalid);
  return config.error().text;
}

}  // namespace

TEST_CASE("a network config without BGP has the defaults, and a whole object is read") {
  CHECK(parseBgpConfig(R"({"Network":"10.244.0.0/16"})") == BgpConfig());
  const auto config = parseBgpConfig(R"({"BGP":{
    "AS": 65000, "port": 1179, "EchoPort": 9, "HoldTime": 9, "RestartTime": 120, "TTLSecurity": 2,
    "PasswordFile": "/etc/twill/bgp.password", "Communities": ["65000:1", "65000:1:2"],
    "Nodes": [{"Name": "n1", "Address": "10.0.0.1", "Reflector": true}, {"Address": "10.0.0.2", "AS": 65001}, "fd00::3"],
    "NodePrefixes": ["10.0.0.0/16"], "Import": ["10.244.0.0/17"], "Export": ["10.244.0.0/18"],
    "Peers": [{"Address": "10.0.0.254", "AS": 65100, "Port": 180, "Nodes": ["n1"], "Hops": 2, "TTLSecurity": true,
               "WholeCluster": true, "Import": ["10.244.9.0/24"], "Export": ["10.244.0.0/16"], "Communities": ["1:2"]}]}})");
  REQUIRE(config);
  CHECK(config->as == 65000);
  CHECK(config->port == 1179);
  CHECK(config->hops == 2);
  CHECK(config->nodes.size() == 3);
  CHECK(config->nodes[1] ==
        BgpConfig::Node{.name = "", .address = *IpAddress::parse("10.0.0.2"), .as = 65001});
  CHECK(config->hasReflectors());
  CHECK(config->node("n1", std::nullopt) == &config->nodes[0]);
  CHECK(config->node("other", IpAddress::parse("fd00::3").value()) == &config->nodes[2]);
  CHECK(config->node("other", IpAddress::parse("10.0.0.1").value()) == nullptr);
  REQUIRE(config->peers.size() == 1);
  CHECK(config->peers[0].wholeCluster);
  CHECK(config->peers[0].imports.size() == 1);
}

TEST_CASE("what is wrong in the BGP object is named") {
  CHECK(faultOf("[]").starts_with("BGP: "));
  CHECK(faultOf(R"({"Exports":[]})").starts_with("BGP: Exports is no key here; there are AS, Port, "));
  CHECK(faultOf(R"({"AS":0})").starts_with("BGP: AS is 0"));
  CHECK(faultOf(R"({"HoldTime":2})").starts_with("BGP: HoldTime is 2"));
  CHECK(faultOf(R"({"Nodes":["127.0.0.1"]})") ==
        R"(BGP: Nodes is "127.0.0.1"; expected the address of a node or router)");
  CHECK(faultOf(R"({"Nodes":["10.0.0.1","10.0.0.1"]})") == "BGP: Nodes:  10.0.0.1 is there twice");
  CHECK(faultOf(R"({"Nodes":[{"Name":"n1"}]})") == "BGP: Nodes: an entry has no Address");
  CHECK(faultOf(R"({"Nodes":[{"Address":"10.0.0.1","AS":5,"Reflector":true}]})").find("reflectors are in") !=
        std::string::npos);
  CHECK(faultOf(R"({"NodePrefixes":["10.0.0.0/8"]})").find("none of Nodes is one") != std::string::npos);
  CHECK(faultOf(R"({"Peers":[{"Address":"10.0.0.1"}]})") == "BGP: Peers: an entry needs Address and AS");
  CHECK(faultOf(R"({"PasswordFile":"secret"})").find("an absolute path") != std::string::npos);
  CHECK(faultOf(R"({"Communities":["65536:1"]})").find("a community such as") != std::string::npos);
}

TEST_CASE("communities are those of RFC 1997 and RFC 8092") {
  CHECK(communityText("64512:100") == "(64512, 100)");
  CHECK(communityText("4294967295:0:7") == "(4294967295, 0, 7)");
  for (const char* text : {"", "1", "1:2:3:4", "1:65536", "1:2:4294967296", "a:1", ":1", "1:"}) {
    CAPTURE(text);
    CHECK_FALSE(communityText(text));
  }
}
