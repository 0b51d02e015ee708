// SPDX-License-Identifier: Apache-2.0
#include "lab/delay_line.hpp"

#include <doctest/doctest.h>

using namespace twill::lab;
using namespace std::chrono_literals;

namespace {

const DelayLine::Time kStart{1000s};

/// How many of `frames` come out at the other end of a line that holds none back.
int arrivingOf(int frames, double loss, std::uint32_t seed) {
  DelayLine line({.loss = loss}, seed);
  int arrived = 0;
  for (int i = 0; i < frames; ++i) {
    line.enter({1}, kStart);
    arrived += int{line.leave(kStart).has_value()};
  }
  return arrived;
}

}  // namespace

TEST_CASE("a frame comes out when its time has come, and not before") {
  DelayLine line({.delay = 20ms}, 1);
  CHECK_FALSE(line.due());
  line.enter({1, 2}, kStart);
  line.enter({3}, kStart + 5ms);
  CHECK(line.due() == kStart + 20ms);
  CHECK_FALSE(line.leave(kStart + 20ms - 1ns));
  CHECK(line.leave(kStart + 20ms) == DelayLine::Frame{1, 2});
  CHECK_FALSE(line.leave(kStart + 20ms));
  CHECK(line.due() == kStart + 25ms);
  CHECK(line.leave(kStart + 1s) == DelayLine::Frame{3});
  CHECK_FALSE(line.leave(kStart + 1s));
  CHECK_FALSE(line.due());
}

TEST_CASE("frames are lost by chance, as many as asked for") {
  CHECK(arrivingOf(10'000, 0, 1) == 10'000);
  CHECK(arrivingOf(10'000, 100, 1) == 0);
  const int arrived = arrivingOf(10'000, 30, 1);
  CHECK(arrived > 6800);  // 7000 on average, and 46 is a standard deviation
  CHECK(arrived < 7200);
  CHECK(arrivingOf(10'000, 30, 1) == arrived);
  CHECK(arrivingOf(1'000'000, 0.01, 2) < 1'000'000);
}

TEST_CASE("a full line takes no more until something has come out") {
  DelayLine many({.delay = 1s}, 1);
  for (std::size_t i = 0; i <= kMostFrames; ++i) many.enter({1}, kStart);
  std::size_t came = 0;
  while (many.leave(kStart + 1s)) ++came;
  CHECK(came == kMostFrames);

  DelayLine large({.delay = 1s}, 1);
  const std::size_t size = DelayLine::kMostBytes / 4;
  for (int i = 0; i < 5; ++i) large.enter(DelayLine::Frame(size), kStart);
  CHECK(large.leave(kStart + 1s));
  large.enter({7}, kStart + 1s);
  for (int i = 0; i < 3; ++i) CHECK(large.leave(kStart + 1s)->size() == size);
  CHECK_FALSE(large.leave(kStart + 1s));
  CHECK(large.leave(kStart + 2s) == DelayLine::Frame{7});
}
