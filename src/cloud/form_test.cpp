// SPDX-License-Identifier: Apache-2.0
#include "cloud/form.hpp"

#include <doctest/doctest.h>

namespace twill::cloud {
namespace {

TEST_CASE("all that a URL gives a meaning to is encoded in a form") {
  CHECK(formOf({{"a.1", "x y/z+~"}, {"b", "10.0.0.0/24&c=\xc3\xa4"}}) ==
        "a.1=x%20y%2Fz%2B~&b=10.0.0.0%2F24%26c%3D%C3%A4");
  CHECK(formOf({}).empty());
}

}  // namespace
}  // namespace twill::cloud
