// SPDX-License-Identifier: Apache-2.0
#include "datastore/file/lease_edit.hpp"

#include <random>

#include <doctest/doctest.h>

using namespace twill;

namespace {

Lease mine() {
  return {
      .node = "node1", .subnet = *Prefix::parse("172.16.1.0/24"), .publicIp = *IpAddress::parse("10.0.0.1")};
}

const std::string kMine = R"({"Node":"node1","Subnet":"172.16.1.0/24","PublicIP":"10.0.0.1"})";

std::string edited(std::string_view text) {
  auto result = withLease(text, mine());
  if (!result) return "error: " + result.error().text;
  return result->value_or("unchanged");
}

}  // namespace

TEST_CASE("a first lease makes a list, a further one adds a line") {
  CHECK(edited("") == "{\"Leases\": [\n  " + kMine + "\n]}\n");
  CHECK(edited(R"({"Leases": []})") == "{\"Leases\": [\n  " + kMine + "\n]}");
  std::string other = R"({ "Node" : "node2" , "PublicIP" : "10.0.0.2", "Note": ["by hand", {"]": "}"}] })";
  CHECK(edited(R"({"Version": [[1]], "leases": [)" + other + R"(], "After": {"Leases": []}})") ==
        R"({"Version": [[1]], "leases": [)"
        "\n  " +
            other + ",\n  " + kMine +
            "\n"
            R"(], "After": {"Leases": []}})");
}

TEST_CASE("an earlier lease of the node is replaced where it stands, and stands once") {
  std::string before = R"({"Node":"node0","PublicIP":"10.0.0.9"})";
  std::string after = R"({"Node":"node2","PublicIP":"10.0.0.2"})";
  std::string old = R"({"Node":"node1","PublicIP":"10.0.0.8"})";
  std::string wanted = "{\"Leases\": [\n  " + before + ",\n  " + kMine + ",\n  " + after + "\n]}";
  CHECK(edited("{\"Leases\": [" + before + "," + old + "," + after + "," + old + "]}") == wanted);
  CHECK(edited("{\"Leases\": [" + before + "," + kMine + "," + after + "," + kMine + "]}") == wanted);
}

TEST_CASE("an entry without a name is ours when it has our address") {
  const std::string nameless = R"({"Subnet":"172.16.1.0/24","PublicIP":"10.0.0.1"})";
  const std::string wanted = "{\"Leases\": [\n  " + kMine + "\n]}";
  CHECK(edited("{\"Leases\": [" + nameless + "]}") == wanted);
  CHECK(edited("{\"Leases\": [" + nameless + "," + kMine + "]}") == wanted);
  const std::string elsewhere = R"({"Subnet":"172.16.1.0/24","PublicIP":"10.0.0.2"})";
  CHECK(edited("{\"Leases\": [" + elsewhere + "]}").find("error: node1 cannot have 172.16.1.0/24") == 0);
}

TEST_CASE("what is there already is left alone, however it is written") {
  CHECK(edited(R"({"LEASES":[{"publicip":"10.0.0.1","Node":"node1","Subnet":"172.16.1.0/24"}]})") ==
        "unchanged");
}

TEST_CASE("a node that shares its subnet or address with another is a conflict, with both named") {
  auto with = [](std::string_view other) {
    auto result = withLease("{\"Leases\":[" + std::string(other) + "]}", mine());
    REQUIRE_FALSE(result);
    CHECK(result.error().kind == Error::Kind::conflict);
    return result.error().text;
  };
  CHECK(with(R"({"Node":"node2","Subnet":"172.16.0.0/20"})") ==
        "node1 cannot have 172.16.1.0/24: node2 holds it, or a part of it, with the lease "
        R"({"Node":"node2","Subnet":"172.16.0.0/20"})");
  CHECK(with(R"({"Node":"node2","PublicIP":"10.0.0.1"})").find("node1 cannot have 10.0.0.1: node2") == 0);
  CHECK(with(R"({"Subnet":"172.16.1.128/25"})").find("172.16.1.128/25 holds it") != std::string::npos);
}

TEST_CASE("data that a backend writes in other words is the same data") {
  Lease spaced = mine();
  spaced.backendData = "{ \"VNI\": 1 }";
  auto text = withLease("", spaced);
  REQUIRE(text);
  CHECK(parseLeases(**text)->front().backendData == R"({"VNI":1})");
  CHECK(*withLease(**text, spaced) == std::nullopt);
}

TEST_CASE("a malformed list and a lease that does not read back are refused") {
  CHECK(edited("{\"Leases\": [").find("error: not valid JSON") == 0);
  CHECK(edited(R"({"\u004ceases":[]})") == "error: the key Leases is written with escapes; write it plainly");
  CHECK(edited("[]").find("error: the lease file is []") == 0);
  Lease nameless = mine();
  nameless.node.clear();
  CHECK(withLease("", nameless).error().kind == Error::Kind::invalid);
  Lease broken = mine();
  broken.node = "n\xff";
  CHECK(withLease("", broken).error().kind == Error::Kind::invalid);
  CHECK(withLease("", broken).error().text.find("reads back the same") != std::string::npos);
  broken.backendData = "[1]";
  CHECK(withLease("", broken).error().text.find("BackendData is [1]") != std::string::npos);
}

TEST_CASE("tricky texts: escapes, brackets in strings, several lists") {
  for (std::string text : {
           R"({"a\"Leases":[[]],"Leases":[{"Node":"x]}\\\"","PublicIP":"10.0.0.7"}]})",
           R"({"Leases":[{"Node":"a","PublicIP":"10.0.0.7"}],"leases":[{"Node":"b","PublicIP":"10.0.0.8"}]})",
           R"({"x":"Leases","y":[{"Node":"a"}],"Leases":[]})",
           R"({"Leases":[],"Leases":null})",
       }) {
    CAPTURE(text);
    auto before = *parseLeases(text);
    before.push_back(mine());
    auto result = withLease(text, mine());
    REQUIRE(result);
    CHECK(*parseLeases(result->value()) == before);
  }
}
