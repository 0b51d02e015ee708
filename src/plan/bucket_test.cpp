// SPDX-License-Identifier: Apache-2.0
#include "plan/bucket.hpp"

#include <limits>

#include <doctest/doctest.h>

using namespace twill;

TEST_CASE("a rate in bits becomes a bucket in bytes") {
  CHECK(bucketOf({.bitsPerSecond = 8'000'000, .burstBits = 800'000}, 1500) ==
        Bucket{.bytesPerSecond = 1'000'000, .burst = 100'000, .limit = 125'000});
}

TEST_CASE("a bucket has room for the longest frame") {
  CHECK(bucketOf({.bitsPerSecond = 8'000'000, .burstBits = 8}, 1450).burst == 1468);
  CHECK(bucketOf({.bitsPerSecond = 1, .burstBits = 1}, 1450) ==
        Bucket{.bytesPerSecond = 1, .burst = 1468, .limit = 1468});
}

TEST_CASE("what runtimes send for 'any burst' fits the kernel's fields") {
  constexpr std::uint64_t kContainerd = 4'294'967'295;
  constexpr std::uint64_t kCrio = 34'359'738'359;
  constexpr auto kMost = std::numeric_limits<std::uint32_t>::max();
  CHECK(bucketOf({.bitsPerSecond = 8'000'000, .burstBits = kContainerd}, 1500).burst == 256'000'000);
  CHECK(bucketOf({.bitsPerSecond = 8'000'000'000, .burstBits = kContainerd}, 1500).burst == kContainerd / 8);
  CHECK(bucketOf({.bitsPerSecond = 8'000'000'000, .burstBits = kCrio}, 1500) ==
        Bucket{.bytesPerSecond = 1'000'000'000, .burst = kMost - 1, .limit = kMost});
  const Rate most{.bitsPerSecond = std::numeric_limits<std::uint64_t>::max(),
                  .burstBits = std::numeric_limits<std::uint64_t>::max()};
  CHECK(bucketOf(most, 1500) ==
        Bucket{.bytesPerSecond = most.bitsPerSecond / 8, .burst = kMost, .limit = kMost});
}
