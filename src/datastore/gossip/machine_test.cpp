// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/machine.hpp"

#include <doctest/doctest.h>

#include "base/file.hpp"
#include "temporary_directory.hpp"

using namespace twill;
using namespace twill::gossip;

TEST_CASE("a state of another machine can be adopted, once, and a damaged one not at all") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.path("gossip.json");
  const Machine old{.machineId = "4f1e", .productUuid = "uuid-1"};
  const Machine here{.machineId = "4f1e", .productUuid = "uuid-2"};
  const SlotState state = newState(NodeId::parse("0123456789abcdef0123456789abcdef").value(), old);
  REQUIRE(writeFile(path, toText(state), Durability::process, 0600));

  CHECK(adoptState(path, old).error().kind == Error::Kind::exists);
  CHECK(adoptState(path, here) == old);
  CHECK(adoptState(path, here).error().kind == Error::Kind::exists);
  auto adopted = parseSlotState(readFile(path, kLargestState).value(), here);
  REQUIRE(adopted);
  adopted->machine = old;
  CHECK(*adopted == state);

  REQUIRE(writeFile(path, toText(state).substr(1), Durability::process, 0600));
  CHECK(adoptState(path, here).error().kind == Error::Kind::invalid);
  CHECK(adoptState(directory.path("none"), here).error().kind == Error::Kind::missing);
}
