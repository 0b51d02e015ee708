// SPDX-License-Identifier: Apache-2.0
#include "cloud/aws/xml.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

namespace twill::cloud::aws {
namespace {

TEST_CASE("elements, their text and their lists") {
  const auto root = parseXml(
      "<?xml version=\"1.0\"?><R xmlns=\"u\"><a>x &amp; y</a><set><item><b>1</b></item><item><b>2</b></item>"
      "<other/></set><empty/></R>");
  REQUIRE(root);
  CHECK(root->name == "R");
  CHECK(root->textOf("a") == "x & y");
  CHECK(root->textOf("nothing").empty());
  CHECK(root->child("nothing") == nullptr);
  const auto items = root->items("set");
  REQUIRE(items.size() == 2);
  CHECK(items[1]->textOf("b") == "2");
  CHECK(root->items("empty").empty());
  CHECK(root->items("nothing").empty());
}

TEST_CASE("what is no answer, or would grow, is refused") {
  CHECK_FALSE(parseXml(""));
  CHECK_FALSE(parseXml("<a>"));
  CHECK_FALSE(parseXml("<html>sorry</p></html>"));
  const auto entities = parseXml("<!DOCTYPE a [<!ENTITY b \"bbbb\">]><a>&b;</a>");
  REQUIRE_FALSE(entities);
  CHECK(entities.error().text.find("document type") != std::string::npos);
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "<a>";
  const auto nested = parseXml(deep);
  REQUIRE_FALSE(nested);
  CHECK(nested.error().text.find("too deep") != std::string::npos);
}

}  // namespace
}  // namespace twill::cloud::aws
