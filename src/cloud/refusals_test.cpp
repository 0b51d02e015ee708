// SPDX-License-Identifier: Apache-2.0
#include "cloud/refusals.hpp"

#include <doctest/doctest.h>

namespace twill::cloud {
namespace {

TEST_CASE("what a cloud says stays on one line of the log") {
  CHECK(quoted("no\nroute\r\tto\x1b[31m", 100) == "no route  to [31m");
  CHECK(quoted("abcdef", 3) == "abc");
}

}  // namespace
}  // namespace twill::cloud
