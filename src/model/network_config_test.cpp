// SPDX-License-Identifier: Apache-2.0
#include "model/network_config.hpp"

#include <string>

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace twill;

namespace {

NetworkConfig config(std::string_view json) {
  auto parsed = parseNetworkConfig(json);
  if (!parsed) FAIL(parsed.error().text);
  return *parsed;
}

/// The error's text; a test that gets none fails.
std::string errorOf(std::string_view json) {
  auto parsed = parseNetworkConfig(json);
  REQUIRE_FALSE(parsed);
  CHECK(parsed.error().kind == Error::Kind::invalid);
  return parsed.error().text;
}

bool says(const std::string& text, std::initializer_list<std::string_view> parts) {
  bool all = true;
  for (auto part : parts) all = all && text.find(part) != std::string::npos;
  if (!all) MESSAGE(text);
  return all;
}

}  // namespace

TEST_CASE("a network alone gets flannel's defaults") {
  auto c = config(R"({"Network":"10.42.0.0/16"})");
  REQUIRE(c.v4);
  CHECK_FALSE(c.v6);
  CHECK(c.v4->subnetLength == 24);
  CHECK(c.v4->subnetMin.text() == "10.42.1.0/24");
  CHECK(c.v4->subnetMax.text() == "10.42.255.0/24");
  CHECK(c.backend.type == "udp");
  CHECK(c.networks() == std::vector<Prefix>{c.v4->network});
  CHECK(c.family(Family::v6) == nullptr);
}

TEST_CASE("a small network is split into four subnets") {
  CHECK(config(R"({"Network":"10.42.0.0/22"})").v4->subnetLength == 24);
  CHECK(config(R"({"Network":"10.42.0.0/23"})").v4->subnetLength == 25);
  auto c = config(R"({"Network":"10.42.0.0/28"})");
  CHECK(c.v4->subnetMin.text() == "10.42.0.4/30");
  CHECK(c.v4->subnetMax.text() == "10.42.0.12/30");
  CHECK(says(errorOf(R"({"Network":"10.42.0.0/29"})"), {"Network", "10.42.0.0/29", "at most 28"}));
}

TEST_CASE("dual stack and IPv6 alone") {
  auto both = config(R"({"Network":"10.42.0.0/16","EnableIPv6":true,"IPv6Network":"fd42::/56",
                         "Backend":{"Type":"vxlan","DirectRouting":true}})");
  REQUIRE(both.v6);
  CHECK(both.v6->subnetLength == 64);
  CHECK(both.v6->subnetMin.text() == "fd42:0:0:1::/64");
  CHECK(both.v6->subnetMax.text() == "fd42:0:0:ff::/64");
  CHECK(both.networks().size() == 2);
  CHECK(both.backend.directRouting);
  const auto directRouting = [](const std::string& backend) {
    return parseNetworkConfig(R"({"Network":"10.0.0.0/8","Backend":)" + backend + "}")->backend.directRouting;
  };
  CHECK(directRouting(R"({"Type":"ipip"})"));
  CHECK_FALSE(directRouting(R"({"Type":"vxlan"})"));
  CHECK_FALSE(directRouting(R"({"DirectRouting":false,"Type":"ipip"})"));
  auto tunnelled =
      *parseNetworkConfig(R"({"Network":"10.0.0.0/8","Backend":{"Type":"ipip","DirectRouting":false}})");
  CHECK(parseNetworkConfig(toJson(tunnelled)) == tunnelled);
  auto six = config(R"({"EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"fd42::/120"})");
  CHECK_FALSE(six.v4);
  CHECK(six.v6->subnetLength == 122);
  CHECK(six.v6->subnetMax.text() == "fd42::c0/122");
}

TEST_CASE("explicit subnet sizes and bounds are taken") {
  auto c =
      config(R"({"Network":"10.0.0.0/8","SubnetLen":20,"SubnetMin":"10.10.0.0","SubnetMax":"10.99.0.0"})");
  CHECK(c.v4->subnetMin.text() == "10.10.0.0/20");
  CHECK(c.v4->subnetMax.text() == "10.99.0.0/20");
  auto zero = config(R"({"Network":"10.42.0.0/16","SubnetLen":0,"SubnetMin":"0.0.0.0"})");
  CHECK(zero.v4->subnetMin.text() == "10.42.1.0/24");
}

TEST_CASE("keys match as Go matches them") {
  auto c = config(R"({"NETWORK":"10.1.0.0/16","subnetlen":26,"backend":{"TYPE":"VXLAN","vni":7}})");
  CHECK(c.v4->subnetLength == 26);
  CHECK(c.backend.type == "vxlan");
  CHECK(c.backend.vni == 7);
  SUBCASE("the last of several wins, whatever its case") {
    CHECK(config(R"({"Network":"10.1.0.0/16","network":"10.2.0.0/16"})").v4->network.text() == "10.2.0.0/16");
  }
  SUBCASE("null changes nothing, unknown keys neither") {
    CHECK(
        config(R"({"Network":"10.1.0.0/16","SubnetLen":25,"SubnetLen":null,"Else":[1]})").v4->subnetLength ==
        25);
  }
  SUBCASE("host bits of the network are cleared") {
    CHECK(config(R"({"Network":"10.1.2.3/16"})").v4->network.text() == "10.1.0.0/16");
  }
}

TEST_CASE("every backend key is read") {
  auto b = config(R"({"Network":"10.1.0.0/16","Backend":{"Type":"WireGuard","VNI":16777215,"Port":65535,
      "MTU":1400,"GBP":true,"Learning":true,"DirectRouting":true,"Engine":"user","ListenPort":1,"ListenPortV6":2,"PSK":"x",
      "PersistentKeepaliveInterval":25,"Mode":"auto","RouteTableID":["rtb-1","rtb-2"]}})")
               .backend;
  CHECK(b == BackendConfig{"wireguard",
                           16777215,
                           65535,
                           1400,
                           true,
                           true,
                           true,
                           "user",
                           1,
                           2,
                           "x",
                           25,
                           "auto",
                           {"rtb-1", "rtb-2"}});
  auto one = config(R"({"Network":"10.1.0.0/16","Backend":{"Type":"aws-vpc","RouteTableID":"rtb-1"}})");
  CHECK(one.backend.routeTableIds == std::vector<std::string>{"rtb-1"});
}

TEST_CASE("an error names the key, its value and what was expected") {
  CHECK(says(errorOf(R"({})"), {"Network is missing", "EnableIPv4"}));
  CHECK(says(errorOf(R"({"Network":5})"), {"Network is 5", "expected"}));
  CHECK(says(errorOf(R"({"Network":"fd00::/56"})"), {"Network is \"fd00::/56\"", "10.244.0.0/16"}));
  CHECK(says(errorOf(R"({"Network":"0.0.0.0/0"})"), {"0.0.0.0/0"}));
  CHECK(says(errorOf(R"({"Network":"224.0.0.0/8"})"), {"224.0.0.0/8"}));
  CHECK(says(errorOf(R"({"EnableIPv4":"yes"})"), {"EnableIPv4 is \"yes\"", "true or false"}));
  CHECK(says(errorOf(R"({"EnableIPv4":false})"), {"EnableIPv6", "at least one"}));
  CHECK(says(errorOf(R"({"EnableIPv6":true,"Network":"10.1.0.0/16"})"), {"IPv6Network is missing"}));
  for (const char* length : {"31", "17", "24.0", "-1", "\"24\"", "18446744073709551615"}) {
    CHECK(says(errorOf(R"({"Network":"10.1.0.0/16","SubnetLen":)" + std::string(length) + "}"),
               {"SubnetLen is ", length, "18 to 30"}));
  }
  CHECK(says(errorOf(R"({"Network":"10.1.0.0/16","SubnetMin":"10.2.0.0"})"),
             {"SubnetMin is \"10.2.0.0\"", "inside Network 10.1.0.0/16"}));
  CHECK(says(errorOf(R"({"Network":"10.1.0.0/16","SubnetMax":"10.1.9.1"})"),
             {"SubnetMax is \"10.1.9.1\"", "10.1.9.0"}));
  CHECK(says(errorOf(R"({"Network":"10.1.0.0/16","SubnetMin":"10.1.9.0","SubnetMax":"10.1.8.0"})"),
             {"SubnetMax is 10.1.8.0", "SubnetMin 10.1.9.0"}));
  CHECK(says(errorOf("[1]"), {"the network config is [1]", "an object"}));
}

TEST_CASE("an error in the backend names its key") {
  auto backend = [](std::string_view inner) {
    return errorOf(R"({"Network":"10.1.0.0/16","Backend":)" + std::string(inner) + "}");
  };
  CHECK(says(backend("{}"), {"Backend: Type is missing", "vxlan"}));
  CHECK(says(backend(R"({"Type":""})"), {"Backend: Type is \"\""}));
  CHECK(says(backend(R"("vxlan")"), {"Backend is \"vxlan\"", "an object"}));
  CHECK(says(backend(R"({"Type":"vxlan","VNI":16777216})"), {"VNI is 16777216", "1 to 16777215"}));
  CHECK(says(backend(R"({"Type":"vxlan","Port":70000})"), {"Port is 70000"}));
  CHECK(says(backend(R"({"Type":"vxlan","MTU":20})"), {"MTU is 20", "68"}));
  CHECK(says(backend(R"({"Type":"wireguard","Mode":"ipv5"})"), {"Mode is \"ipv5\"", "separate"}));
  CHECK(says(backend(R"({"Type":"aws-vpc","RouteTableID":["a",1]})"), {"RouteTableID is [\"a\",1]"}));
  std::string psk = backend(R"({"Type":"wireguard","PSK":["geheim"]})");
  CHECK(says(psk, {"PSK"}));
  CHECK(psk.find("geheim") == std::string::npos);
}

TEST_CASE("text that is not JSON names line and column") {
  CHECK(says(errorOf("{\"Network\": \"10.1.0.0/16\",\n  \"SubnetLen\": }"), {"line 2, column 16"}));
  CHECK(says(errorOf(R"({"Network":"10.1.0.0/16"} x)"), {"line 1, column 27"}));
  CHECK(says(errorOf(R"({"SubnetLen":NaN})"), {"line 1, column 14"}));
  CHECK(says(errorOf("{\"Network\":\"\xff\"}"), {"line 1", "UTF-8"}));
  CHECK(says(errorOf(" \n"), {"empty"}));
  CHECK(says(errorOf("\xef\xbb\xbf{}"), {"not valid JSON"}));
  CHECK(says(errorOf(std::string(100000, '[') + std::string(100000, ']')), {"nested deeper than 64"}));
  CHECK(says(errorOf(std::string((1U << 20U) + 1, ' ')), {"1048577 bytes long", "at most 1048576"}));
}

TEST_CASE("a long value is cut in its error, between characters") {
  std::string network = "x";  // one byte, so that a plain cut would fall into a character of two
  for (int i = 0; i < 450; ++i) network += "ä";
  std::string text = errorOf("{\"Network\":\"" + network + "\"}");
  CHECK(text.size() < 400);
  CHECK(says(text, {"ä..."}));
}

TEST_CASE("a config survives its own JSON") {
  for (const char* text :
       {R"({"Network":"10.42.0.0/16"})",
        R"({"EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"fd42::/56","EnableNFTables":true})",
        R"({"Network":"10.0.0.0/8","SubnetLen":20,"SubnetMin":"10.10.0.0","SubnetMax":"10.99.0.0",
            "Backend":{"Type":"wireguard","VNI":9,"Port":1,"MTU":1280,"GBP":true,"Learning":true,
            "DirectRouting":true,"Engine":"user","ListenPort":3,"ListenPortV6":4,"PSK":"\"\\\u0007ä","Mode":"ipv6",
            "PersistentKeepaliveInterval":5,"RouteTableID":["a"]}})"}) {
    auto c = config(text);
    CHECK(config(toJson(c)) == c);
  }
}

TEST_CASE("each backend has engines of its own") {
  const auto engine = [](const char* type, const char* name) {
    return parseNetworkConfig(
        fmt::format(R"({{"Network":"10.0.0.0/8","Backend":{{"Type":"{}","Engine":"{}"}}}})", type, name));
  };
  CHECK(engine("ipip", "driver")->backend.engine == "driver");
  CHECK(engine("ipip", "ebpf")->backend.engine == "ebpf");
  CHECK(engine("udp", "kernel")->backend.engine == "kernel");
  CHECK(engine("ipip", "kernel").error().text.find(R"("auto", "driver" or "ebpf")") != std::string::npos);
  CHECK(engine("udp", "driver").error().text.find(R"("auto", "user" or "kernel")") != std::string::npos);
}
