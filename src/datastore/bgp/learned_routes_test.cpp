// SPDX-License-Identifier: Apache-2.0
#include "datastore/bgp/learned_routes.hpp"

#include <doctest/doctest.h>

using namespace twill;
using namespace twill::bgp;

namespace {

const Prefix kBlock = Prefix::parse("10.244.1.0/24").value();
const Prefix kOther = Prefix::parse("10.244.2.0/24").value();
const IpAddress kHop = IpAddress::parse("10.0.0.10").value();
const IpAddress kHop2 = IpAddress::parse("10.0.0.20").value();

BirdRoute routeOf(const Prefix& prefix, const IpAddress& hop, const std::string& record) {
  return {.prefix = prefix, .nextHop = hop, .communities = toCommunities(record).value()};
}

}  // namespace

TEST_CASE("BIRD is asked about what is new, changed or gone in the table, and about nothing else") {
  LearnedRoutes routes;
  CHECK(routes.see({{kBlock, kHop, 1}, {kOther, kHop2, 2}}) == std::set{kBlock, kOther});
  routes.asking();
  routes.answer({kBlock, kOther}, {routeOf(kBlock, kHop, "a"), routeOf(kOther, kHop2, "b")});
  CHECK(routes.announcements() == std::vector<Announcement>{{kBlock, kHop, "a"}, {kOther, kHop2, "b"}});
  CHECK(routes.see({{kBlock, kHop, 1}, {kOther, kHop2, 2}}).empty());
  CHECK(routes.see({{kBlock, kHop, 3}, {kOther, kHop2, 2}}) == std::set{kBlock});
  routes.asking();
  CHECK(routes.see({{kBlock, kHop2, 1}, {kOther, kHop2, 2}}) == std::set{kBlock});
  CHECK(routes.see({{kOther, kHop2, 2}}) == std::set{kBlock});
  CHECK(routes.announcements().size() == 2);  // until BIRD has said so, too
  routes.answer({kBlock}, {});
  CHECK(routes.announcements() == std::vector<Announcement>{{kOther, kHop2, "b"}});
}

TEST_CASE("what changes in the table while BIRD is asked is asked about once more") {
  LearnedRoutes routes;
  (void)routes.see({{kBlock, kHop, 1}, {kOther, kHop2, 2}});
  routes.asking();
  CHECK(routes.see({{kBlock, kHop, 3}}) == std::set{kBlock, kOther});
  routes.answer({kBlock, kOther}, {routeOf(kBlock, kHop, "old"), routeOf(kOther, kHop2, "b")});
  CHECK(routes.see({{kBlock, kHop, 3}}) == std::set{kBlock, kOther});
  routes.asking();
  routes.answer({kBlock, kOther}, {routeOf(kBlock, kHop, "new")});
  CHECK(routes.announcements() == std::vector<Announcement>{{kBlock, kHop, "new"}});
  CHECK(routes.see({{kBlock, kHop, 3}}).empty());
}

TEST_CASE("a route that somebody took out of the table stays while BIRD has it") {
  LearnedRoutes routes;
  (void)routes.see({{kBlock, kHop, 1}});
  routes.answer({kBlock}, {routeOf(kBlock, kHop, "a")});
  CHECK(routes.see({}) == std::set{kBlock});
  routes.answer({kBlock}, {routeOf(kBlock, kHop, "a")});
  CHECK(routes.announcements().size() == 1);
  CHECK(routes.see({{kBlock, kHop, 1}}) == std::set{kBlock});
}

TEST_CASE("two owners of one prefix are both there, two ways to one owner are one") {
  LearnedRoutes routes;
  (void)routes.see({{kBlock, kHop, 1}});
  routes.answerAll({routeOf(kBlock, kHop, "a"), routeOf(kBlock, kHop2, "b"), routeOf(kBlock, kHop, "a")});
  CHECK(routes.announcements() == std::vector<Announcement>{{kBlock, kHop, "a"}, {kBlock, kHop2, "b"}});
  CHECK(routes.size() == 3);
  CHECK(routes.isComplete());
  routes.answerAll({routeOf(kBlock, kHop2, "b")});
  CHECK(routes.size() == 1);
  CHECK(routes.announcements() == std::vector<Announcement>{{kBlock, kHop2, "b"}});
}

TEST_CASE("a BIRD that has just been started knows nothing yet, and nothing goes while the table has it") {
  LearnedRoutes routes;
  (void)routes.see({{kBlock, kHop, 1}});
  CHECK_FALSE(routes.isComplete());
  routes.answerAll({});
  CHECK_FALSE(routes.isComplete());
  routes.answerAll({routeOf(kBlock, kHop, "a")});
  routes.answerAll({});
  CHECK(routes.isComplete());
  CHECK(routes.announcements() == std::vector<Announcement>{{kBlock, kHop, "a"}});
  CHECK(routes.size() == 0);
}

TEST_CASE("without a BIRD to ask the table is all that is known") {
  LearnedRoutes routes;
  routes.takeTable({{kBlock, kHop, 0}});
  CHECK(routes.announcements() == std::vector<Announcement>{{kBlock, kHop, ""}});
  routes.takeTable({});
  CHECK(routes.announcements().empty());
}
