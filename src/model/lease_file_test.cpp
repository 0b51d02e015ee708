// SPDX-License-Identifier: Apache-2.0
#include <string>

#include <doctest/doctest.h>

#include "model/cluster.hpp"

using namespace twill;

namespace {

std::string errorOf(const std::string& entry) {
  auto parsed = parseLeases("{\"Leases\":[{\"Node\":\"node0\",\"PublicIP\":\"10.0.0.1\"}," + entry + "]}");
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

TEST_CASE("a lease file gives its leases in order") {
  auto leases = parseLeases(R"({"Leases": [
    {"Node": "node1", "Subnet": "172.16.0.0/24", "PublicIP": "10.0.0.10", "Comment": ["ours"]},
    {"node": "node2", "IPV6SUBNET": "fd42:0:0:1::/64", "PublicIPv6": "fd00::2", "PublicIP": null,
     "BackendType": "vxlan", "BackendData": {"VNI": 1, "VtepMAC": "ce:3d:2b:10:86:af"}, "BackendV6Data": "text"}
  ], "Version": 1})");
  REQUIRE(leases);
  REQUIRE(leases->size() == 2);
  CHECK((*leases)[0] == Lease{.node = "node1",
                              .subnet = *Prefix::parse("172.16.0.0/24"),
                              .publicIp = *IpAddress::parse("10.0.0.10")});
  CHECK((*leases)[1] == Lease{.node = "node2",
                              .subnet6 = *Prefix::parse("fd42:0:0:1::/64"),
                              .publicIp6 = *IpAddress::parse("fd00::2"),
                              .backendType = "vxlan",
                              .backendData = R"({"VNI":1,"VtepMAC":"ce:3d:2b:10:86:af"})",
                              .backendV6Data = R"("text")"});
  CHECK(parseLeases(R"({"Leases":[]})")->empty());
}

TEST_CASE("an error names the entry, the key, its value and what was expected") {
  CHECK(says(errorOf(R"({"Node":"n1","Subnet":"172.16.0.1/24"})"),
             {"Leases[1] (n1): Subnet is \"172.16.0.1/24\"", "IPv4 prefix", "172.16.0.0/24"}));
  CHECK(says(errorOf(R"({"Node":"n1","Subnet":"fd00::/64"})"), {"Subnet is \"fd00::/64\"", "IPv4 prefix"}));
  CHECK(says(errorOf(R"({"PublicIP":"10.0.0"})"), {"Leases[1]: PublicIP is \"10.0.0\"", "IPv4 address"}));
  CHECK(says(errorOf(R"({"Node":"n1","PublicIPv6":"10.0.0.1"})"), {"PublicIPv6 is \"10.0.0.1\""}));
  CHECK(says(errorOf(R"({"Node":7})"), {"Node is 7", "text in quotes"}));
  CHECK(says(errorOf(R"({"Node":""})"), {"Node is \"\"", "printable"}));
  CHECK(says(errorOf(R"({"Node":"a\nb"})"), {R"(Node is "a\nb")", "printable"}));
  CHECK(says(errorOf("{\"Node\":\"" + std::string(254, 'n') + "\"}"), {"Node is", "253"}));
  CHECK(says(errorOf(R"({"Node":"n1","node":"n2"})"), {"Leases[1] (n1): Node is there twice"}));
  CHECK(says(errorOf(R"({"Node":"n1","BackendData":[1]})"), {"BackendData is [1]", "an object"}));
  CHECK(says(errorOf(R"({"Node":"n1"})"), {"Leases[1] (n1)", "neither a subnet nor an address"}));
  CHECK(says(errorOf(R"({"BackendType":"vxlan"})"), {"Leases[1]", "neither Node"}));
  CHECK(says(errorOf("7"), {"Leases[1]: the entry is 7", "an object"}));
}

TEST_CASE("text without leases, or that is not JSON, says so") {
  CHECK(says(parseLeases("{}").error().text, {"Leases is missing"}));
  CHECK(says(parseLeases("[]").error().text, {"the lease file is []", "an object"}));
  CHECK(says(parseLeases(R"({"Leases":{}})").error().text, {"Leases is {}", "an array"}));
  CHECK(says(parseLeases("{\"Leases\": [\n  {\"Node\": \"n1\",").error().text, {"line 2"}));
  CHECK(says(parseLeases("{\"Leases\": [\n  {\"Node\": 1e999}]}").error().text, {"not valid JSON"}));
}

TEST_CASE("leases survive their own JSON, one a line") {
  std::vector<Lease> leases = {
      {.node = "quote \" backslash \\ ä",
       .subnet = *Prefix::parse("172.16.0.0/24"),
       .subnet6 = *Prefix::parse("fd42:0:0:1::/64"),
       .publicIp = *IpAddress::parse("10.0.0.10"),
       .publicIp6 = *IpAddress::parse("fd00::10"),
       .backendType = "wireguard",
       .backendData = R"({"PublicKey":"abc=","Port":51820})",
       .backendV6Data = R"("stdout of a \"command\"\n")"},
      {.publicIp = *IpAddress::parse("10.0.0.11")},
  };
  std::string text = toJson(leases);
  REQUIRE(parseLeases(text));
  CHECK(*parseLeases(text) == leases);
  CHECK(std::count(text.begin(), text.end(), '\n') == 4);
  CHECK(*parseLeases(toJson(std::vector<Lease>{})) == std::vector<Lease>{});
}

TEST_CASE("what is not UTF-8 or not JSON cannot spoil a lease file") {
  std::vector<Lease> leases = {
      {.node = "n\xff", .publicIp = *IpAddress::parse("10.0.0.10"), .backendData = "{\"open"}};
  auto read = parseLeases(toJson(leases));
  REQUIRE(read);
  CHECK(read->front().node == "n\xef\xbf\xbd");
  CHECK(read->front().backendData == R"("{\"open")");
}
