// SPDX-License-Identifier: Apache-2.0
#include "lab/picture.hpp"

#include <doctest/doctest.h>

using namespace twill;
using namespace twill::lab;

namespace {

MachineView node(const std::string& name, int segment) {
  return {.name = name,
          .segment = segment,
          .ready = true,
          .uplinks = {"eth0 10.0.0.10/24"},
          .bridge = "twill0 172.16.0.1/24",
          .containers = {{"con1", "172.16.0.2"}}};
}

/// In characters, of which each takes one column here.
std::size_t longestLine(const std::string& text) {
  std::size_t longest = 0;
  std::size_t length = 0;
  for (const char c : text) {
    if (c == '\n') length = 0;
    if ((static_cast<unsigned char>(c) & 0xc0U) != 0x80) longest = std::max(longest, ++length);
  }
  return longest;
}

}  // namespace

TEST_CASE("a node on its segment") {
  CHECK(picture({node("node1", 0)}, nullptr, {"seg1 10.0.0.0/24"}, 80, plainPaint) ==
        " ┌ node1 ─────────────────┐\n"
        " │ ┌ con1 172.16.0.2      │\n"
        " │ └ twill0 172.16.0.1/24 │\n"
        " │ eth0 10.0.0.10/24      │\n"
        " └───────────┬────────────┘\n"
        "═════════════╧═════════════\n"
        " seg1 10.0.0.0/24\n");
}

TEST_CASE("rows are as wide as the terminal, and what is not ready says so") {
  std::vector<MachineView> nodes;
  for (int i = 0; i < 7; ++i) nodes.push_back(node("node" + std::to_string(i + 1), i < 4 ? 0 : 1));
  nodes[2].ready = false;
  nodes[3].containers.resize(40, {"con", "172.16.0.9"});
  const MachineView router{.name = "router", .ready = true, .uplinks = {"seg1 10.0.0.1/24"}};
  for (const std::size_t width : {60U, 80U, 200U}) {
    const std::string text = picture(nodes, &router, {"seg1", "seg2"}, width, plainPaint);
    CHECK(longestLine(text) <= width);
    for (const auto& one : nodes) CHECK(text.find(one.name) != std::string::npos);
    CHECK(text.find("node3 not ready") != std::string::npos);
    CHECK(text.find("and 34 more") != std::string::npos);
    CHECK(text.find("router: seg1 10.0.0.1/24") != std::string::npos);
  }
}
