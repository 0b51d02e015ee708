// SPDX-License-Identifier: Apache-2.0
// Against Debian's own BIRD: it takes every bird.conf that is written for it, and two of them make a cluster.
#include <algorithm>
#include <csignal>
#include <thread>

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/file.hpp"
#include "base/process.hpp"
#include "bgp_store.hpp"
#include "datastore/bgp/bird_config.hpp"
#include "datastore/bgp/record.hpp"
#include "skip.hpp"

using namespace twill;
using namespace twill::bgp;
using namespace twill::datastore_conformance;
using test::BgpStore;

namespace {

constexpr const char* kBird = "/usr/sbin/bird";
constexpr const char* kV4 = R"("Network":"10.244.0.0/16")";
constexpr const char* kDual = R"("Network":"10.244.0.0/16","EnableIPv6":true,"IPv6Network":"fd44::/48")";
constexpr const char* kV6 = R"("EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"fd44::/48")";
constexpr const char* kReflector =
    R"({"Nodes":[{"Name":"node1","Address":"10.0.0.10","Reflector":true},
        {"Address":"10.0.0.11","Reflector":true},"10.0.0.20"],"NodePrefixes":["10.0.0.0/24","10.1.0.0/16","fd00::/64"]})";

/// net-conf.json's network and "BGP" object, and where the node is.
struct Case {
  const char* what;
  std::string network = kV4;
  std::string bgp = R"({"Nodes":["10.0.0.10","10.0.0.20","10.0.0.5"]})";
  std::string address = "10.0.0.10";
  std::string node = "node1";
  std::string record = R"({"PublicIP":"10.0.0.10"})";
  std::map<std::string, std::string> passwords = {};
};

BirdSettings settingsOf(const Case& c) {
  const std::string text = "{" + c.network + R"(,"Backend":{"Type":"ipip"},"BGP":)" + c.bgp + "}";
  return {
      .config = parseBgpConfig(text).value(),
      .network = parseNetworkConfig(text).value(),
      .node = c.node,
      .address = IpAddress::parse(c.address).value(),
      .other = IpAddress::parse(c.address.find(':') == std::string::npos ? "fd00::10" : "10.0.0.10").value(),
      .record = c.record,
      .passwords = c.passwords,
      .customFiles = {}};
}

std::string thousandNodes(const std::string& more) {
  std::string nodes;
  for (int i = 0; i < 1000; ++i)
    nodes += fmt::format(R"({}{{"Name":"n{}","Address":"10.{}.{}.10"{}}})", i == 0 ? "" : ",", i, i / 250,
                         i % 250, i == 0 ? more : "");
  return R"({"Nodes":[)" + nodes + "]}";
}

std::vector<Case> cases() {
  const std::string everyPeer =
      R"({"Nodes":["10.0.0.20"],"Peers":[
        {"Address":"10.0.0.1","AS":65100},
        {"Address":"10.0.0.2","AS":4200000000,"Port":1790,"PasswordFile":"/p","Nodes":["node1"],"TTLSecurity":true,
         "Import":["10.244.240.0/20","fd44:0:0:f000::/52"],"Export":["10.244.0.0/20","fd44::/52"],
         "Communities":["65100:7","65100:1:2"]},
        {"Address":"10.9.0.3","AS":64512,"Hops":7,"TTLSecurity":true,"WholeCluster":true,"Nodes":["10.0.0.10"]},
        {"Address":"10.9.0.4","AS":65101,"Hops":255,"Import":["fd44::/48"],"Export":["10.244.0.0/16"]},
        {"Address":"fd00::1","AS":65100,"WholeCluster":true,"Communities":["0:0"]}]})";
  return {
      {.what = "a mesh"},
      {.what = "nobody else", .bgp = "{}"},
      {.what = "a reflector, with one beside it, and nodes that nobody listed", .bgp = kReflector},
      {.what = "a reflector's client", .bgp = kReflector, .address = "10.0.0.20", .node = "node9"},
      {.what = "a reflector of both families", .network = kDual, .bgp = kReflector},
      {.what = "an AS for each node",
       .bgp = R"({"AS":4200000001,"Nodes":[{"Name":"node1","Address":"10.0.0.10","AS":65001},
                 {"Address":"10.0.0.20","AS":65002}]})"},
      {.what = "a password",
       .bgp = R"({"PasswordFile":"/p","Nodes":["10.0.0.20"]})",
       .passwords = {{"/p", R"(all {} of; 'it' # // /* $1 \n \)"}}},
      {.what = "the longest password",
       .bgp = R"({"PasswordFile":"/p","Nodes":["10.0.0.20"]})",
       .passwords = {{"/p", std::string(80, 'x')}}},
      {.what = "TTL security", .bgp = R"({"TTLSecurity":1,"Nodes":["10.0.0.20"]})"},
      {.what = "TTL security over many hops", .bgp = R"({"TTLSecurity":254,"Nodes":["10.0.0.20"]})"},
      {.what = "communities of both kinds",
       .bgp =
           R"({"Communities":["64512:100","65535:65535","64512:1:2","4294967295:4294967295:0"],"Nodes":["10.0.0.20"]})"},
      {.what = "prefixes to take and to tell, of both families",
       .network = kDual,
       .bgp =
           R"({"Import":["10.244.0.0/17","10.244.128.0/18"],"Export":["10.244.7.0/24","fd44::/52"],"Nodes":["10.0.0.20"]})"},
      {.what = "prefixes of the other family alone",
       .bgp = R"({"Import":["fd44::/52"],"Nodes":["10.0.0.20"]})"},
      {.what = "ports and times",
       .bgp = R"({"Port":1790,"HoldTime":3,"RestartTime":4095,"Nodes":["10.0.0.20"]})"},
      {.what = "the longest hold time",
       .bgp = R"({"HoldTime":65535,"RestartTime":10,"Nodes":["10.0.0.20"]})"},
      {.what = "routers outside, with all that can be said of them",
       .network = kDual,
       .bgp = everyPeer,
       .passwords = {{"/p", "secret"}}},
      {.what = "the same, seen from IPv6",
       .network = kDual,
       .bgp = everyPeer,
       .address = "fd00::10",
       .passwords = {{"/p", "secret"}}},
      {.what = "a mesh of both families", .network = kDual},
      {.what = "IPv6 subnets alone", .network = kV6},
      {.what = "IPv6 sessions",
       .network = kV6,
       .bgp = R"({"Nodes":["fd00::10","fd00::20"]})",
       .address = "fd00::10"},
      {.what = "IPv4 subnets over IPv6 sessions",
       .bgp = R"({"Nodes":["fd00::10","fd00::20"]})",
       .address = "fd00::10"},
      {.what = "the longest record", .network = kDual, .record = std::string(kLongestRecord, 'r')},
      {.what = "a thousand nodes", .network = kDual, .bgp = thousandNodes(""), .address = "10.1.249.10"},
      {.what = "a reflector for a thousand nodes",
       .bgp = thousandNodes(R"(,"Reflector":true)"),
       .address = "10.0.0.10",
       .node = "n0"},
      {.what = "subnets of one size that fill the network",
       .network = R"("Network":"10.0.0.0/8","SubnetLen":30)"},
  };
}

/// What BIRD says of it; empty: it takes it.
std::string complaint(const std::string& text) {
  const test::TemporaryDirectory directory;
  const std::string file = directory.path("bird.conf");
  REQUIRE(writeFile(file, text, Durability::process));
  const auto checked = outputOf({kBird, "-p", "-c", file}, std::chrono::seconds(20));
  return checked ? *checked : "refused: " + checked.error().text;
}

bool hasBird() {
  if (::access(kBird, X_OK) == 0) return true;
  test::skip(fmt::format("{} is not here; install Debian's package bird2", kBird));
  return false;
}

}  // namespace

TEST_CASE("BIRD takes what is written for it") {
  if (!hasBird()) return;
  for (const Case& c : cases()) {
    CAPTURE(c.what);
    const auto text = birdConfig(settingsOf(c));
    CAPTURE((text ? std::string() : text.error().text));
    REQUIRE(text);
    CHECK(complaint(*text) == "");
  }
  CHECK(complaint("protocol bgp x { neighbour 10.0.0.1; }") != "");
}

TEST_CASE("BIRD takes an operator's own file") {
  if (!hasBird()) return;
  const test::TemporaryDirectory directory;
  const std::string file = directory.path("own.conf");
  REQUIRE(writeFile(file, "protocol static { ipv4; route 192.0.2.0/24 blackhole; }\n", Durability::process));
  auto settings = settingsOf({.what = ""});
  settings.customFiles[file] = "protocol static";
  CHECK(complaint(birdConfig(settings).value()) == "");
}

TEST_CASE("two BIRDs keep the rules of all datastores") {
  for (const Rule& rule : kRules) {
    SUBCASE(rule.name) {
      const auto store = BgpStore::make();
      if (store) rule.check(*store);
    }
  }
}

TEST_CASE("a BIRD that is killed is started again, and nobody's picture changes meanwhile") {
  const auto store = BgpStore::make();
  if (!store) return;
  boost::asio::io_context loop;
  Node a(*store, loop, 1);
  Node b(*store, loop, 2);
  const Lease of1 = publishOwn(loop, a);
  const Lease of2 = publishOwn(loop, b);
  REQUIRE(runUntil(loop, [&] { return a.sees({of1, of2}) && b.sees({of1, of2}); }));
  const int before = store->birdOf(1);
  REQUIRE(before > 0);
  std::this_thread::sleep_for(
      std::chrono::milliseconds(1100));  // one that ends sooner is not taken for steady
  const auto leases = [](const Node& node) { return node.told.back()->leases; };
  const auto toldA = leases(a);
  const auto toldB = leases(b);
  REQUIRE(::kill(before, SIGKILL) == 0);
  bool kept = true;
  const auto isBack = [&] {
    kept = kept && a.hasPicture() && b.hasPicture() && leases(a) == toldA && leases(b) == toldB;
    const int now = store->birdOf(1);
    return now > 0 && now != before &&
           store->askBird(1, "show route count table tw_bgp4").find("2 of 2 routes") != std::string::npos;
  };
  CHECK(runUntil(loop, isBack));
  CHECK(kept);
  CHECK(store->in(2, "ip route show table 177").find("172.16.1.0/24 via 10.0.0.1") != std::string::npos);
}

TEST_CASE("a subnet that two nodes announce is in the picture with both, whichever of them BIRD prefers") {
  const auto store = BgpStore::make();
  if (!store) return;
  boost::asio::io_context loop;
  Node a(*store, loop, 1);
  Node b(*store, loop, 2);
  const Lease of1 = publishOwn(loop, a);
  const Lease of2 = publishOwn(loop, b);
  REQUIRE(runUntil(loop, [&] { return a.sees({of1, of2}) && b.sees({of1, of2}); }));
  // As a node does that was cut off when the other one took it.
  store->in(2, "ip route add blackhole 172.16.1.0/24 proto static table 178");
  const auto seesBoth = [&] {
    if (!a.hasPicture()) return false;
    const auto& leases = a.told.back()->leases;
    return std::count_if(leases.begin(), leases.end(),
                         [&](const Lease& lease) { return lease.subnet == of1.subnet; }) == 2;
  };
  CHECK(runUntil(loop, seesBoth));
}
