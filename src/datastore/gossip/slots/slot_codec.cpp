// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/slots/slot_codec.hpp"

#include <fmt/format.h>

#include "datastore/gossip/msgpack.hpp"
#include "datastore/gossip/slots/slots.hpp"

namespace twill::gossip {
namespace {

// The values of a run and of a tombstone stand in arrays. What a later version appends is passed over.
constexpr std::size_t kRunFields = 8;
constexpr std::size_t kTombstoneFields = 3;
constexpr std::size_t kInfoFields = 5;
constexpr std::size_t kSightFields = 2;
constexpr std::size_t kLongestConfig = 65536;
constexpr std::size_t kLongestRefusal = 1024;

/// Reads our own structures; the first thing that is wrong sticks, as in MsgpackReader.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : in(bytes) {}

  void require(bool holds, std::string_view what) {
    if (!holds && wrong_.empty() && in.good()) wrong_ = what;
  }
  [[nodiscard]] bool good() const { return in.good() && wrong_.empty(); }
  [[nodiscard]] Result<void> finish() {
    require(in.rest().empty(), "bytes after its end");
    if (in.state() == MsgpackReader::State::cut) wrong_ = "cut off";
    if (in.state() == MsgpackReader::State::malformed) wrong_ = "not MessagePack";
    if (wrong_.empty()) return {};
    return fail(fmt::format("a message about slots has {}", wrong_), Error::Kind::invalid);
  }

  NodeId id() {
    const std::string_view bytes = in.raw();
    require(bytes.size() == NodeId().bytes.size(), "an id that is not 16 bytes");
    return good() ? NodeId::fromBytes(bytes) : NodeId();
  }
  std::uint32_t number(std::uint32_t low, std::uint32_t high, std::string_view what) {
    const std::uint32_t value = in.number32();
    require(value >= low && value <= high, what);
    return value;
  }
  std::string text(std::size_t longest, std::string_view what) {
    const std::string_view bytes = in.raw();
    require(bytes.size() <= longest, what);
    return good() ? std::string(bytes) : std::string();
  }
  /// An array of at least `fields` values: `read` takes those, the others are skipped.
  template <class Read>
  void tuple(std::size_t fields, Read read) {
    const std::size_t count = in.array();
    require(count >= fields, "too few fields");
    if (!good()) return;
    read();
    for (std::size_t i = fields; i < count && good(); ++i) in.skip();
  }
  template <class Read>
  void list(Read read) {
    for (std::size_t left = in.array(); left > 0 && good(); --left) read();
  }

  MsgpackReader in;

 private:
  std::string wrong_;
};

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

SlotRun readRun(Reader& reader) {
  SlotRun run;
  SlotRecord& record = run.first;
  reader.tuple(kRunFields, [&] {
    record.slot = reader.number(0, kMostSlots - 1, "a slot beyond the last one");
    run.count =
        reader.number(1, kMostSlots - std::min(record.slot, kMostSlots - 1), "a run beyond the last slot");
    record.owner = reader.id();
    record.version = reader.number(1, kLastVersion, "an impossible version");
    record.use = static_cast<SlotUse>(reader.number(0, 2, "an unknown use of a slot"));
    record.generation = reader.number(1, UINT32_MAX, "a node of generation 0");
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

std::vector<SlotRun> readRuns(Reader& reader) {
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

std::vector<Tombstone> readTombstones(Reader& reader) {
  std::vector<Tombstone> tombstones;
  reader.list([&] {
    Tombstone tombstone;
    reader.tuple(kTombstoneFields, [&] {
      tombstone.node = reader.id();
      // The last number is kept free: the node comes back with the next one.
      tombstone.generation = reader.number(1, UINT32_MAX - 1, "an impossible generation");
      tombstone.remover = reader.id();
    });
    reader.require(tombstones.size() < SlotTable::kMostTombstones, "too many tombstones");
    if (reader.good()) tombstones.push_back(tombstone);
  });
  return tombstones;
}

ClusterInfo readInfo(Reader& reader) {
  ClusterInfo info;
  reader.tuple(kInfoFields, [&] {
    info.slots = reader.number(1, kMostSlots, "an impossible number of slots");
    info.byAddress = reader.in.boolean();
    info.config = reader.text(kLongestConfig, "a network config that is too long");
    info.configVersion = reader.number(1, UINT32_MAX, "a network config without version");
    info.configWriter = reader.id();
  });
  if (!reader.good()) return info;
  const auto network = parseNetworkConfig(info.config);
  reader.require(network.has_value(), "a network config that cannot be read");
  reader.require(network && slotCount(*network) == info.slots, "another number of slots than its network");
  return info;
}

}  // namespace

std::string encode(const SlotNews& news) {
  MsgpackWriter out;
  out.map(1U + (news.cluster ? 1U : 0U) + (news.info ? 1U : 0U) + (news.sight ? 1U : 0U) +
          (news.runs.empty() ? 0U : 1U) + (news.tombstones.empty() ? 0U : 1U));
  out.raw("F");
  out.raw(news.from.raw());
  if (news.cluster) {
    out.raw("C");
    out.raw(news.cluster->raw());
  }
  if (news.info) {
    out.raw("I");
    out.array(kInfoFields);
    out.number(news.info->slots);
    out.boolean(news.info->byAddress);
    out.raw(news.info->config);
    out.number(news.info->configVersion);
    out.raw(news.info->configWriter.raw());
  }
  if (news.sight) {
    out.raw("S");
    out.array(kSightFields);
    out.number(news.sight->count);
    out.number(news.sight->digest);
  }
  if (!news.runs.empty()) {
    out.raw("R");
    write(out, news.runs);
  }
  if (!news.tombstones.empty()) {
    out.raw("T");
    out.array(news.tombstones.size());
    for (const Tombstone& tombstone : news.tombstones) {
      out.array(kTombstoneFields);
      out.raw(tombstone.node.raw());
      out.number(tombstone.generation);
      out.raw(tombstone.remover.raw());
    }
  }
  return std::move(out).take();
}

Result<SlotNews> parseSlotNews(std::string_view bytes) {
  SlotNews news;
  Reader reader(bytes);
  bool hasSender = false;
  reader.in.eachKey([&](std::string_view key) {
    if (key == "F") {
      news.from = reader.id();
      hasSender = true;
    } else if (key == "C") {
      news.cluster = reader.id();
    } else if (key == "I") {
      news.info = readInfo(reader);
    } else if (key == "S") {
      reader.tuple(kSightFields,
                   [&] { news.sight = Sight{.count = reader.in.number32(), .digest = reader.in.number()}; });
    } else if (key == "R") {
      news.runs = readRuns(reader);
    } else if (key == "T") {
      news.tombstones = readTombstones(reader);
    } else {
      reader.in.skip();
    }
  });
  reader.require(hasSender, "no sender");
  reader.require(news.cluster || (!news.info && news.runs.empty() && news.tombstones.empty()),
                 "no cluster id");
  TWILL_CHECK(reader.finish());
  if (news.info) news.info->id = *news.cluster;
  return news;
}

std::vector<std::string> deltas(const SlotNews& news) {
  std::vector<std::string> messages;
  const SlotNews empty{.from = news.from, .cluster = news.cluster};
  SlotNews part = empty;
  std::string bytes;  // `part` encoded; empty: there is nothing in it
  const auto send = [&] {
    if (!bytes.empty()) messages.push_back(std::move(bytes));
    bytes.clear();
    part = empty;
  };
  // Puts one thing into the message at hand, or begins the next one with it.
  const auto add = [&](auto put) {
    for (const bool first : {bytes.empty(), true}) {
      SlotNews longer = part;
      put(longer);
      std::string encoded = encode(longer);
      if (encoded.size() <= kLongestDelta) {
        part = std::move(longer);
        bytes = std::move(encoded);
        return;
      }
      if (first) return;
      send();
    }
  };
  if (news.sight) add([&](SlotNews& longer) { longer.sight = news.sight; });
  if (news.info) add([&](SlotNews& longer) { longer.info = news.info; });
  for (const Tombstone& tombstone : news.tombstones)
    add([&](SlotNews& longer) { longer.tombstones.push_back(tombstone); });
  for (const SlotRun& run : news.runs) add([&](SlotNews& longer) { longer.runs.push_back(run); });
  send();
  return messages;
}

std::string encode(const GrantMessage& message) {
  MsgpackWriter out;
  out.map(7);
  out.raw("K");
  out.number(static_cast<std::uint8_t>(message.kind));
  out.raw("C");
  out.raw(message.cluster.raw());
  out.raw("F");
  out.raw(message.from.raw());
  out.raw("G");
  out.number(message.generation);
  out.raw("N");
  out.number(message.request);
  out.raw("R");
  write(out, message.runs);
  out.raw("W");
  out.raw(message.refusal);
  return std::move(out).take();
}

Result<GrantMessage> parseGrantMessage(std::string_view bytes) {
  GrantMessage message;
  Reader reader(bytes);
  unsigned needed = 0;
  reader.in.eachKey([&](std::string_view key) {
    if (key == "K") {
      message.kind = static_cast<GrantMessage::Kind>(reader.number(0, 4, "an unknown kind"));
      needed |= 1U;
    } else if (key == "C") {
      message.cluster = reader.id();
      needed |= 2U;
    } else if (key == "F") {
      message.from = reader.id();
      needed |= 4U;
    } else if (key == "G") {
      message.generation = reader.number(1, UINT32_MAX, "a node of generation 0");
      needed |= 8U;
    } else if (key == "N") {
      message.request = reader.in.number();
    } else if (key == "R") {
      message.runs = readRuns(reader);
    } else if (key == "W") {
      message.refusal = reader.text(kLongestRefusal, "a refusal that is too long");
    } else {
      reader.in.skip();
    }
  });
  reader.require(needed == 15U, "no kind, cluster, sender or generation");
  TWILL_CHECK(reader.finish());
  return message;
}

}  // namespace twill::gossip
