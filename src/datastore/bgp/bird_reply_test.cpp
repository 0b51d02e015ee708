// SPDX-License-Identifier: Apache-2.0
// The replies are those of BIRD 2.0.12.
#include "datastore/bgp/bird_reply.hpp"

#include <doctest/doctest.h>

using namespace twill;
using namespace twill::bgp;

namespace {

BirdReply replyOf(const std::string& bytes) {
  ReplyReader reader;
  REQUIRE(reader.feed(bytes));
  auto reply = reader.take();
  REQUIRE(reply);
  CHECK_FALSE(reader.take());
  return *reply;
}

constexpr const char* kRoutes =
    "1007-Table tw_bgp4:\n"
    " 10.244.1.0/24        blackhole [tw_announced4 08:59:06.909] * (200)\n"
    "1008-\tType: inherit univ\n"
    "1012-\tKernel.source: 116\n \tKernel.metric: 0\n"
    "1007-                     unicast [tw_n_10_9_0_1 08:59:06.906] (100) [i]\n"
    " \tvia 10.9.0.1 on twill-bgp onlink\n"
    "1008-\tType: BGP univ\n"
    "1012-\tBGP.origin: IGP\n \tBGP.as_path: \n \tBGP.next_hop: 10.9.0.1\n \tBGP.med: 7\n \tBGP.local_pref: "
    "100\n"
    " \tBGP.large_community: (4201936745, 1, 4294967291) (1, 2, 3)\n \t\t(4, 5, 6)\n \tKernel.window: 7\n"
    "1007-fd44::/64            unicast [tw_n_10_9_0_1 2026-11-29 from 10.9.0.9] * (100) [AS64513i]\n"
    "1012-\tBGP.next_hop: fd74:7769:6c6c::a09:1 fe80::1\n"
    "0000 \n";

}  // namespace

TEST_CASE("a reply is put together from pieces of any size") {
  const std::string bytes = kRoutes;
  for (std::size_t size = 1; size < 50; ++size) {
    ReplyReader reader;
    for (std::size_t at = 0; at < bytes.size(); at += size) REQUIRE(reader.feed(bytes.substr(at, size)));
    CHECK(reader.take()->lines == replyOf(bytes).lines);
  }
}

TEST_CASE("routes are read: of BGP alone, every one of a prefix, with what comes along") {
  const auto routes = routesIn(replyOf(kRoutes));
  REQUIRE(routes.size() == 2);
  CHECK(routes[0] == BirdRoute{.prefix = *Prefix::parse("10.244.1.0/24"),
                               .nextHop = *IpAddress::parse("10.9.0.1"),
                               .communities = {{4201936745, 1, 4294967291}, {1, 2, 3}, {4, 5, 6}}});
  CHECK(routes[1].prefix.text() == "fd44::/64");
  CHECK(routes[1].nextHop.text() == "fd74:7769:6c6c::a09:1");
  CHECK(routesIn(replyOf("8001 Network not found\n")).empty());
}

TEST_CASE("sessions are read, with their last error, and other protocols are left out") {
  const auto sessions = sessionsIn(
      replyOf("2002-Name       Proto      Table      State  Since         Info\n"
              "1002-tw_device  Device     ---        up     2026-11-29 08:49:53.123  \n1006-\n"
              "1002-tw_n_a     BGP        ---        up     2026-11-29 08:49:54.001  Established   \n"
              "1006-  BGP state:          Established\n     Neighbor address: 10.9.0.1\n     Neighbor AS:    "
              "  64512\n"
              "     Routes:         5 imported, 2 filtered, 1 exported, 5 preferred\n"
              "     Routes:         1 imported, 1 exported, 1 preferred\n \n"
              "1002-tw_n_b     BGP        ---        start  2026-11-29 08:50:00  Active        Socket: "
              "Connection refused\n"
              "1006-  BGP state:          Active\n     Neighbor address: 10.9.0.3\n     Last error:       "
              "Socket: No route\n"
              "0000 \n"));
  REQUIRE(sessions.size() == 2);
  CHECK(sessions[0] == BirdSession{.protocol = "tw_n_a",
                                   .state = "Established",
                                   .since = "2026-11-29 08:49:54",
                                   .error = "",
                                   .neighbor = *IpAddress::parse("10.9.0.1"),
                                   .as = 64512,
                                   .imported = 6,
                                   .exported = 2,
                                   .filtered = 2});
  CHECK(sessions[1].state == "Active");
  CHECK(sessions[1].error == "Socket: No route");
}

TEST_CASE("a count of routes is read") {
  CHECK(countIn(replyOf("1007-2 of 2 routes for 1 networks in table tw_bgp4\n0000 \n")) == 2U);
  CHECK_FALSE(countIn(replyOf("8001 Network not found\n")));
}

TEST_CASE("a version that is too old, too new or none is refused by what it says of itself") {
  CHECK(versionIn(replyOf("0001 BIRD 2.0.12 ready.\n")) == "2.0.12");
  CHECK_FALSE(versionIn(replyOf("0001 FROG 2.0.12 ready.\n")));
  for (const char* good : {"2.0.12", "2.0.13", "2.13", "2.17.1"}) CHECK(checkVersion(good));
  for (const char* bad : {"", "x", "1.6.8", "2.0", "2.0.8", "2.0.11", "3.0.0", "99999.1"})
    CHECK_FALSE(checkVersion(bad));
  CHECK(checkVersion("1.6.8").error().text.find("BIRD 1.6.8; twill needs 2.0.12") != std::string::npos);
}

TEST_CASE("what is none of BIRD's ends the connection") {
  for (const char* bytes :
       {"HTTP/1.1 400 Bad Request\n", "\n", " goes on with nothing\n", "00x1 a\n", "0001\n"}) {
    CAPTURE(bytes);
    ReplyReader reader;
    CHECK_FALSE(reader.feed(bytes));
  }
  ReplyReader endless;
  CHECK_FALSE(endless.feed(std::string(100000, 'x')));
  ReplyReader reader;
  REQUIRE(reader.feed("+out of turn\n0000 \n"));
  CHECK(reader.take()->code() == 0);
}
