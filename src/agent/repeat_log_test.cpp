// SPDX-License-Identifier: Apache-2.0
#include "agent/repeat_log.hpp"

#include <vector>

#include <doctest/doctest.h>

using namespace twill;
using namespace std::chrono_literals;

TEST_CASE("what happens over and over is said a few times, then once a minute with a count") {
  RepeatLog log;
  const RepeatLog::Time start{1h};
  std::vector<std::string> lines;
  for (int i = 0; i < 1200; ++i) {  // ten a second for two minutes
    if (auto line = log.line("route", start + i * 100ms)) lines.push_back(*line);
  }
  REQUIRE(lines.size() == 6);
  CHECK(lines[4] == "route");
  CHECK(lines[5] == "route (and 595 times more since this was said last)");
  CHECK(log.line("another", start) == "another");
}

TEST_CASE("what has come to rest is said again at once") {
  RepeatLog log;
  RepeatLog::Time now{1h};
  for (int i = 0; i < 5; ++i) CHECK(log.line("route", now) == "route");
  for (int i = 0; i < 5; ++i) {
    now += 61s;
    CHECK(log.line("route", now) == "route");
  }
  CHECK(log.line("route", now) == "route");
}
