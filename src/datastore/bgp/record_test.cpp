// SPDX-License-Identifier: Apache-2.0
#include "datastore/bgp/record.hpp"

#include <algorithm>

#include <doctest/doctest.h>

using namespace twill;
using namespace twill::bgp;

TEST_CASE("a record of any length comes back from its communities, in any order and among others'") {
  for (const std::size_t size : {0U, 1U, 7U, 8U, 100U, 1400U}) {
    CAPTURE(size);
    std::string text;
    for (std::size_t i = 0; i < size; ++i) text += static_cast<char>(i * 37);
    auto communities = toCommunities(text).value();
    std::reverse(communities.begin(), communities.end());
    communities.insert(communities.begin(), {64512, 1, 2});
    CHECK(fromCommunities(communities) == text);
  }
}

TEST_CASE("a record that is too long is refused") {
  CHECK(toCommunities(std::string(1401, 'x')).error().kind == Error::Kind::invalid);
}

TEST_CASE("communities that are none of Twill's, a part, doubled or changed make no record") {
  CHECK(fromCommunities({}).error().kind == Error::Kind::missing);
  const auto whole = toCommunities("a record of some length").value();
  for (std::size_t i = 0; i < whole.size(); ++i) {
    auto some = whole;
    some.erase(some.begin() + static_cast<std::ptrdiff_t>(i));
    CHECK_FALSE(fromCommunities(some));
    some = whole;
    some.push_back(whole[i]);
    CHECK_FALSE(fromCommunities(some));
    some = whole;
    some[i].second ^= 0x100;
    CHECK_FALSE(fromCommunities(some));
  }
}

TEST_CASE("a digest is never 0, and another for another text") {
  CHECK(digestOf("") != 0);
  CHECK(digestOf("a") != digestOf("b"));
}
