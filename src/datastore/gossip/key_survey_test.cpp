// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/key_survey.hpp"

#include <doctest/doctest.h>

#include "datastore/gossip/base64.hpp"

using namespace twill;
using namespace twill::gossip;

TEST_CASE("a key's fingerprint is that of its bytes, as base64 -d and sha256sum show it") {
  CHECK(fingerprintOf(toBase64("abc")) == "ba7816bf");
  CHECK(fingerprintOf("not base64") == fingerprintOf("not base64"));
}

TEST_CASE("keys are counted by the nodes that have them, and by those that encrypt with them") {
  const std::vector<Peers::Keys> answers{
      {.node = "node1", .done = true, .message = "", .keys = {"new", "old"}},
      {.node = "node2", .done = true, .message = "", .keys = {"old", "new"}},
      {.node = "node3", .done = true, .message = "", .keys = {"old", "stray"}},
      {.node = "node4", .done = false, .message = "this node has no keys", .keys = {}}};
  const auto spread = spreadOf(answers);
  REQUIRE(spread.size() == 3);
  CHECK(spread[0].key == "old");
  CHECK(spread[0].nodes == 3);
  CHECK(spread[0].encrypts == 2);
  CHECK(spread[1].key == "new");
  CHECK(spread[1].nodes == 2);
  CHECK(spread[1].encrypts == 1);
  CHECK(spread[2].key == "stray");
  CHECK(spread[2].encrypts == 0);
  CHECK(spreadOf({}).empty());
}
