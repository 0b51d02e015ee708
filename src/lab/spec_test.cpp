// SPDX-License-Identifier: Apache-2.0
#include "lab/spec.hpp"

#include <doctest/doctest.h>

using namespace twill;
using namespace twill::lab;

TEST_CASE("a spec survives its file") {
  const Spec spec{
      .name = "x1", .nodes = 5, .containers = 0, .segments = 2, .ipv6 = true, .attach = AttachMode::routed};
  auto again = parseSpec(toJson(spec));
  REQUIRE(again);
  CHECK(*again == spec);
  for (const char* text : {"", "{}", "[]", "7", "{\"name\":7}", "{\"name\":\"x\",\"nodes\":\"3\"}"}) {
    CHECK_FALSE(parseSpec(text));
  }
}

TEST_CASE("what does not fit is refused by the option's name") {
  auto refusal = [](const Spec& spec) {
    auto checked = check(spec);
    return checked ? std::string() : checked.error().text;
  };
  CHECK(refusal({}).empty());
  CHECK(refusal({.nodes = 0}).starts_with("--nodes 0"));
  CHECK(refusal({.nodes = 201}).starts_with("--nodes 201"));
  CHECK(refusal({.containers = -1}).starts_with("--containers -1"));
  CHECK(refusal({.nodes = 2, .segments = 3}).starts_with("--segments 3"));
  CHECK(refusal({.segments = 0}).starts_with("--segments 0"));
  for (const char* name : {"", "../x", "a b", "A", "a-name-of-more-than-twenty"}) {
    CHECK(refusal({.name = name}).starts_with("--name"));
  }
}

TEST_CASE("options say what differs from the usual") {
  CHECK(asOptions({}).empty());
  CHECK(asOptions({.name = "x", .nodes = 5, .ipv6 = true, .attach = AttachMode::routed}) ==
        "--name x --nodes 5 --ipv6 --attach routed");
}

TEST_CASE("places") {
  CHECK(parsePlace("node1")->text() == "node1");
  CHECK(parsePlace("node1/con2")->container == "con2");
  for (const char* text : {"", "/", "node1/", "/con1", "a/b/c"}) CHECK_FALSE(parsePlace(text));
}
