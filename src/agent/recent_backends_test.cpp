// SPDX-License-Identifier: Apache-2.0
#include "agent/recent_backends.hpp"

#include <doctest/doctest.h>

using namespace twill;
using namespace std::chrono_literals;
using Types = std::vector<std::string_view>;

TEST_CASE("a backend that is used no more stays for some seconds, and the end of that is known") {
  RecentBackends recent;
  const TimePoint start = TimePoint() + 1h;
  recent.note({"host-gw", "vxlan"}, start);
  CHECK(recent.at(start) == Types{"host-gw", "vxlan"});
  CHECK_FALSE(recent.nextEnd({"host-gw", "vxlan"}, start));

  const auto end = recent.nextEnd({"host-gw"}, start);
  REQUIRE(end);
  CHECK(recent.at(*end - 1ms) == Types{"host-gw", "vxlan"});
  CHECK(recent.at(*end).empty());
  recent.note({"host-gw"}, *end);
  CHECK(recent.at(*end) == Types{"host-gw"});
}
