// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/slots/slot_table.hpp"

#include <algorithm>
#include <random>

#include <doctest/doctest.h>

using namespace twill;
using namespace twill::gossip;

namespace {

NodeId idOf(std::uint8_t number) {
  NodeId id;
  id.bytes[15] = number;
  return id;
}

SlotRecord recordOf(std::uint32_t slot, std::uint8_t owner, SlotVersion version,
                    SlotUse use = SlotUse::free) {
  return {.slot = slot, .owner = idOf(owner), .version = version, .use = use, .generation = 1};
}

constexpr SlotVersion kEpoch = 1U << kSequenceBits;

}  // namespace

TEST_CASE("an id is read as it is written") {
  NodeId id = idOf(0xab);
  id.bytes[0] = 1;
  CHECK(id.text() == "010000000000000000000000000000ab");
  CHECK(NodeId::parse(id.text()) == id);
  CHECK(NodeId::fromBytes(id.raw()) == id);
  for (const char* bad : {"", "01", "010000000000000000000000000000aB", "010000000000000000000000000000ab0"})
    CHECK_FALSE(NodeId::parse(bad));
}

TEST_CASE("the higher version is newer, then the lower owner") {
  CHECK(isNewer(recordOf(1, 9, 3), recordOf(1, 2, 2)));
  CHECK(isNewer(recordOf(1, 9, kEpoch), recordOf(1, 2, kEpoch - 1)));
  CHECK(isNewer(recordOf(1, 2, 3), recordOf(1, 9, 3)));
  CHECK_FALSE(isNewer(recordOf(1, 2, 3), recordOf(1, 2, 3)));
}

TEST_CASE(
    "a write adds one, taking a removed node's slot raises the epoch as well, and neither wraps around") {
  CHECK(nextVersion(1) == 2);
  CHECK(raisedVersion(5) == kEpoch + 6);
  CHECK(nextVersion(kLastVersion) == kLastVersion);
  CHECK(raisedVersion(kLastVersion) == kLastVersion);
  CHECK(raisedVersion(kLastVersion - kEpoch) == kLastVersion);
  CHECK(epochOf(raisedVersion(5)) == 1);
  CHECK(sequenceOf(raisedVersion(5)) == 6);
}

TEST_CASE("two that both claim a slot are found, one that got it from the other is none") {
  using enum SlotUse;
  CHECK(bothClaim(recordOf(1, 1, 5), recordOf(1, 2, 5)));
  CHECK(bothClaim(recordOf(1, 1, 5, active), recordOf(1, 2, 6)));
  CHECK(bothClaim(recordOf(1, 2, 6), recordOf(1, 1, 5, active)));
  // A remover that knew version 5, and what the removed one wrote before and after that.
  CHECK(bothClaim(recordOf(1, 1, raisedVersion(5), revoked), recordOf(1, 2, 7, active)));
  CHECK_FALSE(bothClaim(recordOf(1, 1, raisedVersion(5), revoked), recordOf(1, 2, 5, active)));
  // Granted, used, given back, granted on.
  CHECK_FALSE(bothClaim(recordOf(1, 1, 5), recordOf(1, 2, 6)));
  CHECK_FALSE(bothClaim(recordOf(1, 1, 5, active), recordOf(1, 2, 7)));
  CHECK_FALSE(bothClaim(recordOf(1, 1, 5), recordOf(1, 1, 5, active)));
  CHECK_FALSE(bothClaim(SlotRecord{}, recordOf(1, 1, 1)));
}

TEST_CASE("tables that heard the same are the same, in whatever order and however often") {
  std::minstd_rand random(7);
  std::vector<SlotRecord> records;
  std::vector<Tombstone> tombstones;
  for (int i = 0; i < 300; ++i) {
    SlotRecord record =
        recordOf(static_cast<std::uint32_t>(random() % 8), static_cast<std::uint8_t>(random() % 4),
                 static_cast<SlotVersion>(random() % 6 + 1), static_cast<SlotUse>(random() % 3));
    if (record.use == SlotUse::active && random() % 2 == 0) record.data = random() % 2 == 0 ? "1" : "2";
    records.push_back(record);
    tombstones.push_back({.node = idOf(static_cast<std::uint8_t>(random() % 4)),
                          .generation = static_cast<std::uint32_t>(random() % 4 + 1),
                          .remover = idOf(static_cast<std::uint8_t>(random() % 4))});
  }
  const auto merged = [&] {
    SlotTable table(8);
    for (const auto& record : records) table.merge(record);
    for (const auto& tombstone : tombstones) table.merge(tombstone);
    return table;
  };
  const SlotTable table = merged();
  for (int i = 0; i < 20; ++i) {
    std::shuffle(records.begin(), records.end(), random);
    std::shuffle(tombstones.begin(), tombstones.end(), random);
    CHECK(merged() == table);
    SlotTable twice = merged();
    for (const auto& record : table.records()) CHECK_FALSE(twice.merge(record));
  }
}

TEST_CASE("a slot beyond the table is nobody's") {
  SlotTable table(8);
  CHECK_FALSE(table.merge(recordOf(8, 1, 1)));
  CHECK(table.merge(recordOf(7, 1, 1)));
}

TEST_CASE("a node is removed in a generation and all before it") {
  SlotTable table(1);
  CHECK(table.merge(Tombstone{.node = idOf(1), .generation = 2, .remover = idOf(5)}));
  CHECK(table.isRemoved(idOf(1), 1));
  CHECK(table.isRemoved(idOf(1), 2));
  CHECK_FALSE(table.isRemoved(idOf(1), 3));
  CHECK_FALSE(table.isRemoved(idOf(2), 1));
  CHECK_FALSE(table.merge(Tombstone{.node = idOf(1), .generation = 1, .remover = idOf(4)}));
  CHECK(table.merge(Tombstone{.node = idOf(1), .generation = 2, .remover = idOf(4)}));
}

TEST_CASE("neighbouring slots with equal records are one run") {
  SlotTable table(4096);
  for (std::uint32_t slot = 0; slot < 4096; ++slot) table.merge(recordOf(slot, 1, 1));
  REQUIRE(table.runs().size() == 1);
  CHECK(table.runs()[0].count == 4096);
  SlotRecord used = recordOf(7, 1, 2, SlotUse::active);
  used.data = "{}";
  table.merge(used);
  const auto runs = table.runs();
  REQUIRE(runs.size() == 3);
  CHECK(runs[1] == SlotRun{.first = used, .count = 1});
  CHECK(recordOf(runs[2], 4) == recordOf(12, 1, 1));
}

TEST_CASE("tables that are equal have one digest, however they came to be") {
  SlotTable one(8), other(8);
  CHECK(one.digest() == 0);
  const SlotRecord first = recordOf(3, 1, 1), second = recordOf(3, 2, 2);
  const Tombstone gone{.node = idOf(4), .generation = 2, .remover = idOf(2)};
  CHECK(one.merge(first));
  const auto before = one.digest();
  CHECK(one.merge(second));
  CHECK(one.digest() != before);
  CHECK(one.merge(gone));
  CHECK(other.merge(gone));
  CHECK(other.digest() != one.digest());
  CHECK(other.merge(second));
  CHECK_FALSE(other.merge(first));
  CHECK(other.digest() == one.digest());
}
