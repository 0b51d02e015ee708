// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/slots/founding.hpp"

#include <doctest/doctest.h>

using namespace twill::gossip;

namespace {

NodeId idOf(std::uint8_t number) {
  NodeId id;
  id.bytes[15] = number;
  return id;
}

}  // namespace

TEST_CASE("the lowest of as many nodes as expected founds, once all say that they see the same") {
  const std::vector<NodeId> all = {idOf(1), idOf(2), idOf(3)};
  Founding founding(3);
  CHECK_FALSE(founding.mayFound(idOf(1), all));
  founding.heard(idOf(2), sightOf(all));
  founding.heard(idOf(3), sightOf({idOf(1), idOf(3)}));
  CHECK_FALSE(founding.mayFound(idOf(1), all));
  founding.heard(idOf(3), sightOf({idOf(3), idOf(1), idOf(2)}));
  CHECK(founding.mayFound(idOf(1), all));
  CHECK_FALSE(founding.mayFound(idOf(1), {idOf(1), idOf(2)}));
}

TEST_CASE("no other than the lowest founds") {
  const std::vector<NodeId> all = {idOf(1), idOf(2)};
  Founding founding(2);
  founding.heard(idOf(1), sightOf(all));
  CHECK_FALSE(founding.mayFound(idOf(2), all));
}

TEST_CASE("a node more than expected counts as well") {
  const std::vector<NodeId> all = {idOf(1), idOf(2), idOf(3)};
  Founding founding(2);
  founding.heard(idOf(2), sightOf(all));
  CHECK_FALSE(founding.mayFound(idOf(1), all));
  founding.heard(idOf(3), sightOf(all));
  CHECK(founding.mayFound(idOf(1), all));
}
