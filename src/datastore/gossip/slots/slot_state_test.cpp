// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/slots/slot_state.hpp"

#include <doctest/doctest.h>

using namespace twill;
using namespace twill::gossip;

namespace {

const Machine kHere{.machineId = "4f1e", .productUuid = "uuid-1"};

NodeId idOf(std::uint8_t number) {
  NodeId id;
  id.bytes[15] = number;
  return id;
}

SlotState sample() {
  SlotState state = newState(idOf(1), kHere);
  state.generation = 3;
  state.nodes = {{idOf(2), 1}, {idOf(4), 2}};
  state.cluster = ClusterInfo{.id = idOf(9),
                              .slots = 255,
                              .byAddress = false,
                              .config = R"({"Network":"10.32.0.0/16"})",
                              .configVersion = 4,
                              .configWriter = idOf(2)};
  state.table = SlotTable(255);
  for (std::uint32_t slot = 0; slot < 255; ++slot)
    state.table.merge({.slot = slot, .owner = idOf(1), .version = 1, .generation = 3});
  state.table.merge({.slot = 7,
                     .owner = idOf(1),
                     .version = 2,
                     .use = SlotUse::active,
                     .generation = 3,
                     .data = R"({"node":"ä\n"})"});
  state.table.merge({.slot = 9,
                     .owner = idOf(2),
                     .version = 1048579,
                     .use = SlotUse::revoked,
                     .generation = 1,
                     .revokedUntil = 1'800'000'000});
  state.table.merge(Tombstone{.node = idOf(4), .generation = 2, .remover = idOf(2)});
  return state;
}

}  // namespace

TEST_CASE("a state is read as it was written, at the first start too") {
  CHECK(parseSlotState(toText(sample()), kHere) == sample());
  const SlotState first = newState(idOf(1), kHere);
  CHECK(parseSlotState(toText(first), kHere) == first);
}

TEST_CASE("a state that was cut at any byte is refused") {
  const std::string text = toText(sample());
  for (std::size_t size = 0; size < text.size(); ++size)
    CHECK_FALSE(parseSlotState(std::string_view(text).substr(0, size), kHere));
}

TEST_CASE("a state with any altered byte is refused, with what to do") {
  const std::string text = toText(sample());
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string altered = text;
    altered[i] = static_cast<char>(altered[i] ^ 1);
    const auto read = parseSlotState(altered, kHere);
    REQUIRE_FALSE(read);
    CHECK(read.error().text.find("remove the file") != std::string::npos);
  }
  CHECK_FALSE(parseSlotState(text + "\n", kHere));
}

TEST_CASE("a state of another machine is a copied disk and refused, with what to do") {
  const std::string text = toText(sample());
  const auto other = parseSlotState(text, {.machineId = "77aa", .productUuid = "uuid-1"});
  REQUIRE_FALSE(other);
  CHECK(other.error().text.find("machine-id 4f1e, this one is 77aa") != std::string::npos);
  CHECK(other.error().text.find("remove the file") != std::string::npos);
  const auto image = parseSlotState(text, {.machineId = "4f1e", .productUuid = "uuid-2"});
  REQUIRE_FALSE(image);
  CHECK(image.error().text.find("product uuid") != std::string::npos);
  CHECK(parseSlotState(text, {.machineId = "4f1e", .productUuid = ""}));
}
