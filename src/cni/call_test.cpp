// SPDX-License-Identifier: Apache-2.0
#include "cni/call.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace twill;
using namespace twill::cni;

namespace {

CniResult<Call> parse(const std::string& command, const std::string& keys,
                      const std::string& version = "1.1.0") {
  const Environment environment = {{"CNI_COMMAND", command},
                                   {"CNI_CONTAINERID", "c1"},
                                   {"CNI_NETNS", "/run/netns/c1"},
                                   {"CNI_IFNAME", "eth0"},
                                   {"CNI_PATH", "/opt/cni/bin"}};
  return parseCall(environment, fmt::format(R"({{"cniVersion":"{}","name":"net"{}{}}})", version,
                                            keys.empty() ? "" : ",", keys));
}

/// "<code> <message>", or "fine".
std::string errorOf(const std::string& command, const std::string& keys,
                    const std::string& version = "1.1.0") {
  const auto call = parse(command, keys, version);
  return call ? "fine" : fmt::format("{} {}", call.error().code, call.error().msg);
}

}  // namespace

TEST_CASE("a verb needs the version that it came with") {
  CHECK(errorOf("CHECK", R"("prevResult":{})", "0.4.0") == "fine");
  CHECK(errorOf("CHECK", "", "0.3.1") ==
        "1 CHECK came with CNI 0.4.0; the network config says cniVersion 0.3.1");
  CHECK(errorOf("GC", "", "1.0.0").starts_with("1 GC came with CNI 1.1.0"));
  CHECK(errorOf("STATUS", "", "1.0.0").starts_with("1 STATUS came with CNI 1.1.0"));
  CHECK(errorOf("DEL", "", "0.1.0") == "fine");
}

TEST_CASE("a version that is not text is refused, one that is not there is 0.1.0") {
  const auto config = [](const std::string& version) {
    return R"({"name":"net","cniVersion":)" + version + "}";
  };
  const auto add = [&](const std::string& version) {
    return parseCall({{"CNI_COMMAND", "ADD"},
                      {"CNI_CONTAINERID", "c1"},
                      {"CNI_NETNS", "/run/netns/c1"},
                      {"CNI_IFNAME", "eth0"},
                      {"CNI_PATH", "/opt/cni/bin"}},
                     config(version));
  };
  for (const char* version : {"1", "[\"1.0.0\"]", "{}", "true"}) {
    const auto call = add(version);
    REQUIRE_FALSE(call);
    CHECK(call.error().code == kBadConfig);
    CHECK(call.error().msg ==
          fmt::format("cniVersion: {} is not a version as text, such as \"1.0.0\"", version));
    const auto answer = nlohmann::json::parse(versionAnswer(config(version)));
    CHECK(answer["cniVersion"] == "1.1.0");
  }
  CHECK(add("\"\"")->version == "0.1.0");
  CHECK(add("null")->version == "0.1.0");
  CHECK(nlohmann::json::parse(versionAnswer(config("\"0.4.0\"")))["cniVersion"] == "0.4.0");
}

TEST_CASE("ipam has host-local's keys, and forgives a subnet its host bits") {
  const auto call = parse("ADD", R"("ipam":{"ranges":[[{"subnet":"10.9.0.7/24","rangeStart":"10.9.0.9",
      "rangeEnd":"10.9.0.20","gateway":"10.9.0.1"},{"subnet":"10.8.0.0/24"}],[{"subnet":"fd00::/64"}]],
      "routes":[{"dst":"0.0.0.0/0"},{"dst":"10.0.0.0/8","gw":"10.9.0.2"}],"dataDir":"/x"},
      "runtimeConfig":{"IpRanges":[[{"subnet":"10.7.0.0/24"}]]})");
  REQUIRE(call);
  const auto& request = call->request;
  REQUIRE(request.ranges.size() == 3);
  CHECK(request.ranges[0][0].subnet.text() == "10.7.0.0/24");
  CHECK(request.ranges[1][0].subnet.text() == "10.9.0.0/24");
  CHECK(request.ranges[1][0].last->text() == "10.9.0.20");
  CHECK(request.ranges[1].size() == 2);
  CHECK(request.routes[1].via->text() == "10.9.0.2");
  CHECK(request.hostLocalDir == "/x");
  CHECK(call->delegate.empty());
  CHECK(request.nodeIsGateway);
}

TEST_CASE("the attributes of a route are read, checked, and given back in the version that has them") {
  const auto route = [](const std::string& more) {
    return R"("ipam":{"routes":[{"dst":"10.0.0.0/8")" + more + "}]}";
  };
  const std::string all =
      R"(,"gw":"10.9.0.2","mtu":1400,"advmss":1360,"priority":4294967295,"table":1000,"scope":0)";
  const auto call = parse("ADD", route(all));
  REQUIRE(call);
  const ContainerRoute wanted{.dst = *Prefix::parse("10.0.0.0/8"),
                              .via = *IpAddress::parse("10.9.0.2"),
                              .mtu = 1400,
                              .advmss = 1360,
                              .priority = 4294967295,
                              .table = 1000,
                              .scope = 0};
  CHECK(call->request.routes == std::vector{wanted});
  const Attachment attachment{.ifname = "eth0", .routes = {wanted}};
  for (const char* version : {"1.0.0", "1.1.0"}) {
    const auto result =
        nlohmann::json::parse(formatResult(attachment, parse("ADD", "", version).value()))["routes"][0];
    CHECK(result["gw"] == "10.9.0.2");
    CHECK(result.size() == (version == std::string("1.1.0") ? 7 : 2));
    if (version == std::string("1.1.0"))
      CHECK(result == nlohmann::json::parse(R"({"dst":"10.0.0.0/8")" + all + "}"));
  }
  CHECK(parse("ADD", route(R"(,"mtu":0,"advmss":0,"priority":0,"table":0)"))
            ->request.routes[0]
            .hasAttributes() == false);
  CHECK(errorOf("ADD", route(R"(,"mtu":67)")) == "7 ipam.routes.mtu: 67 is not a number from 68 to 65520");
  CHECK(errorOf("ADD", R"("ipam":{"routes":[{"dst":"fd00::/8","mtu":1279}]})") ==
        "7 ipam.routes.mtu: 1279 is not a number from 1280 to 65520");
  CHECK(errorOf("ADD", route(R"(,"advmss":65496)")) ==
        "7 ipam.routes.advmss: 65496 is not a number from 1 to 65495");
  CHECK(errorOf("ADD", route(R"(,"priority":-1)"))
            .starts_with("7 ipam.routes.priority: -1 is not a number from 1 to"));
  CHECK(
      errorOf("ADD", route(R"(,"table":4294967296)")).starts_with("7 ipam.routes.table: 4294967296 is not"));
  CHECK(errorOf("ADD", route(R"(,"table":"main")")).starts_with("7 ipam.routes.table: \"main\" is not"));
  CHECK(errorOf("ADD", route(R"(,"scope":255)")).starts_with("7 ipam.routes.scope: 255 is not 0 (global)"));
  CHECK(errorOf("ADD", route(R"(,"gw":"10.9.0.2","scope":253)"))
            .starts_with("7 ipam.routes.scope: 253 is not possible with a gw"));
}

TEST_CASE("a spoilt ipam is named by its key and value") {
  CHECK(errorOf("ADD", R"("ipam":7)") == "7 ipam: 7 is not an object");
  CHECK(errorOf("ADD", R"("ipam":{"subnet":"x"})") ==
        "7 ipam.subnet: \"x\" is not a subnet such as \"172.16.0.0/24\"");
  CHECK(errorOf("ADD", R"("ipam":{"ranges":[[]]})").starts_with("7 ipam.ranges: [] is not a list of lists"));
  CHECK(errorOf("ADD", R"("ipam":{"ranges":[[{"subnet":"10.0.0.0/8"},{"subnet":"fd00::/64"}]]})")
            .ends_with("is not of one IP version"));
  CHECK(errorOf("ADD", R"("ipam":{"routes":[{"dst":"10.0.0.0/8","gw":"fd00::1"}]})")
            .ends_with("a route whose dst and gw are of one IP version"));
  CHECK(errorOf("ADD", R"("ipam":{"type":"../sh"})") == "7 ipam.type: \"../sh\" is not the name of a plugin");
}

TEST_CASE("another plugin's addresses come from its result, of any version") {
  const auto config = [](const std::string& result) {
    return withIpamResult(R"({"cniVersion":"1.0.0","name":"net","isGateway":true,"ipam":{"type":"static"}})",
                          result);
  };
  for (const char* result :
       {R"({"ips":[{"address":"10.7.0.5/16","gateway":"10.7.0.1"}],"routes":[{"dst":"0.0.0.0/0"}]})",
        R"({"ip4":{"ip":"10.7.0.5/16","gateway":"10.7.0.1","routes":[{"dst":"0.0.0.0/0"}]}})"}) {
    const auto whole = config(result);
    REQUIRE(whole);
    const auto call = parse("ADD", whole->substr(1, whole->size() - 2), "1.0.0");
    REQUIRE(call);
    CHECK(call->delegate == "static");
    REQUIRE(call->request.given);
    CHECK(call->request.given->at(0).address.text() == "10.7.0.5/16");
    CHECK(call->request.given->at(0).gateway->text() == "10.7.0.1");
    CHECK(call->request.routes.size() == 1);
    CHECK(call->request.nodeIsGateway);
  }
  CHECK_FALSE(config("nonsense"));
  CHECK(errorOf("ADD", R"("ipam":{"type":"static","twillResult":{"ips":[]}})")
            .ends_with("a result with addresses"));
  // A plugin that asks over the interface has nothing to say before that is there.
  CHECK(errorOf("ADD", R"("ipam":{"type":"dhcp","twillResult":{}})") == "fine");
  CHECK(errorOf("ADD", R"("attach":"routed","ipam":{"type":"dhcp"})").find("without a bridge") !=
        std::string::npos);
  CHECK(isUnknownVerb(R"({"code":4,"msg":"unknown CNI_COMMAND: GC"})"));
  CHECK_FALSE(isUnknownVerb(R"({"code":11,"msg":"later"})"));
  CHECK_FALSE(isErrorObject(""));
}

TEST_CASE("what would change a promise is refused with a reason") {
  CHECK(errorOf("ADD", R"("promiscMode":true)").starts_with("2 promiscMode: true is not supported: "));
  CHECK(errorOf("ADD", R"("vlan":7)").starts_with("2 vlan: 7 is not supported: "));
  CHECK(errorOf("ADD",
                R"("promiscMode":false,"vlan":0,"bridge":"cni0","isGateway":true,"forceAddress":true)") ==
        "fine");
}

TEST_CASE("a CHECK expects what the whole list of plugins has made of the interface") {
  const auto call = parse("CHECK", R"("prevResult":{"interfaces":[{"name":"tw1","mac":"02:00:00:00:00:01"},
      {"name":"eth0","mac":"02:00:00:00:00:02","sandbox":"/run/netns/c1"},{"name":"eth1","sandbox":"/x"}],
      "ips":[{"interface":1,"address":"10.0.0.5/24"},{"interface":2,"address":"10.0.1.5/24"},{"address":"10.2.0.5/24"}],
      "routes":[{"dst":"0.0.0.0/0","gw":"10.0.0.1"},{"dst":"10.8.0.0/16","gw":"10.0.1.1"},{"dst":"10.9.0.1/16"},
      {"dst":"10.7.0.0/16","gw":"169.254.1.1"}]})");
  REQUIRE(call);
  CHECK(call->expected.mac->text() == "02:00:00:00:00:02");
  REQUIRE(call->expected.addresses.size() == 1);
  CHECK(call->expected.addresses[0].text() == "10.0.0.5/24");
  // A route whose gateway is in another interface's network is that one's.
  REQUIRE(call->expected.routes.size() == 3);
  CHECK(call->expected.routes[0].via->text() == "10.0.0.1");
  CHECK(call->expected.routes[1].dst.text() == "10.9.0.0/16");
  CHECK_FALSE(call->expected.routes[1].via);
  CHECK(call->expected.routes[2].via->text() == "169.254.1.1");
  CHECK(errorOf("CHECK", R"("prevResult":{"routes":[{"dst":"x"}]})").starts_with("7 prevResult.routes: "));
  CHECK(errorOf("CHECK", "") == "7 prevResult: null is not there; CHECK needs what ADD has answered");
}

TEST_CASE("GC knows the living by either key, and takes nobody for dead whom it does not understand") {
  for (const char* key : {"cni.dev/valid-attachments", "cni.dev/attachments"}) {
    const auto call = parse("GC", fmt::format(R"("{}":[{{"containerID":"c1","ifname":"eth0"}}])", key));
    REQUIRE(call);
    CHECK(call->valid == std::set<std::pair<std::string, std::string>>{{"c1", "eth0"}});
    CHECK(errorOf("GC", fmt::format(R"("{}":[{{"containerID":"c1"}}])", key)).starts_with("7 "));
  }
  CHECK(parse("GC", "")->valid.empty());
}

TEST_CASE("a result goes behind what plugins before this one have made") {
  const Attachment attachment{.network = "net",
                              .containerId = "c1",
                              .ifname = "eth0",
                              .netns = "/run/netns/c1",
                              .hostIfname = "tw1",
                              .addresses = {*InterfaceAddress::parse("172.16.0.5/24")},
                              .gateways = {*IpAddress::parse("172.16.0.1")}};
  const auto call = parse("ADD", R"("dns":{"search":["x"]},"prevResult":{"interfaces":[{"name":"lo"}],"y":1,
      "ips":[{"interface":0,"address":"127.0.0.1/8"}]})");
  REQUIRE(call);
  const auto result = nlohmann::json::parse(formatResult(attachment, *call));
  CHECK(result["y"] == 1);
  CHECK(result["interfaces"].size() == 4);
  CHECK(result["ips"][1]["interface"] == 3);
  CHECK(result["ips"][1]["gateway"] == "172.16.0.1");
  CHECK(result["dns"]["search"][0] == "x");
}

TEST_CASE("the config of the plugin flannel means what it means there") {
  const auto call =
      parse("ADD", R"("type":"flannel","delegate":{"hairpinMode":true,"isDefaultGateway":true,"mtu":1400})",
            "0.3.1");
  REQUIRE(call);
  CHECK(call->request.hairpin);
  CHECK(call->request.mtu == 1400);
  CHECK(errorOf("ADD", R"("type":"flannel","delegate":{"type":"bridge"},"subnetFile":"/x","dataDir":"/y")") ==
        "fine");
  CHECK(errorOf("ADD", R"("type":"flannel","delegate":{"type":"macvlan"})") ==
        "7 delegate.type: \"macvlan\" is not bridge, which is what containers get");
  CHECK(errorOf("ADD", R"("type":"flannel","delegate":{"name":"x"})") ==
        "7 delegate.name: \"x\" is not allowed");
  CHECK(errorOf("ADD", R"("type":"flannel","delegate":[])") == "7 delegate: [] is not an object");
  CHECK(errorOf("ADD", R"("type":"twill-cni","delegate":[])") == "fine");  // nobody's
}
