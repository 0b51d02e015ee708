// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/slots/slot_reader.hpp"

#include <algorithm>

#include "datastore/gossip/slots/slots.hpp"

namespace twill::gossip {
namespace {

constexpr std::size_t kRunFields = 8;

void write(MsgpackWriter& out, const SlotRun& run) {
  out.array(kRunFields);
  out.number(run.first.slot);
  out.number(run.count);
  out.raw(run.first.owner.raw());
  out.number(run.first.version);
  out.number(static_cast<std::uint8_t>(run.first.use));
  out.number(run.first.generation);
  out.number(static_cast<std::uint64_t>(run.first.revokedUntil));
  out.raw(run.first.data);
}

SlotRun readRun(SlotReader& reader) {
  SlotRun run;
  SlotRecord& record = run.first;
  reader.tuple(kRunFields, [&] {
    record.slot = reader.number(0, kMostSlots - 1, "a slot beyond the last one");
    run.count =
        reader.number(1, kMostSlots - std::min(record.slot, kMostSlots - 1), "a run beyond the last slot");
    record.owner = reader.id();
    record.version = reader.number(1, kLastVersion, "an impossible version");
    record.use = static_cast<SlotUse>(reader.number(0, 2, "an unknown use of a slot"));
    record.generation = reader.number(1, UINT32_MAX, "an impossible generation");
    const std::uint64_t until = reader.in.number();
    reader.require(until <= INT64_MAX, "an impossible time");
    record.revokedUntil = static_cast<std::int64_t>(until);
    record.data = reader.text(kLongestData, "a lease that is too long");
  });
  reader.require(record.revokedUntil == 0 || record.use == SlotUse::revoked, "a time on a slot not revoked");
  reader.require(
      record.data.empty() || (record.use == SlotUse::active && run.count == 1 && isLeaseText(record.data)),
      "a lease where none can be, or that is not JSON");
  return run;
}

}  // namespace

std::vector<SlotRun> readRuns(SlotReader& reader) {
  std::vector<SlotRun> runs;
  std::uint32_t next = 0;
  reader.list([&] {
    SlotRun run = readRun(reader);
    reader.require(run.first.slot >= next, "slots out of order");
    next = run.first.slot + run.count;
    if (reader.good()) runs.push_back(std::move(run));
  });
  return runs;
}

void write(MsgpackWriter& out, const std::vector<SlotRun>& runs) {
  out.array(runs.size());
  for (const SlotRun& run : runs) write(out, run);
}

}  // namespace twill::gossip
