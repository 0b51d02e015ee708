// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/slots/slot_codec.hpp"

#include "datastore/gossip/slots/slot_reader.hpp"
#include "datastore/gossip/slots/slots.hpp"

namespace twill::gossip {
namespace {

// The values of a tombstone and the like stand in arrays. What a later version appends is passed over.
constexpr std::size_t kTombstoneFields = 3;
constexpr std::size_t kInfoFields = 5;
constexpr std::size_t kSightFields = 2;
constexpr std::size_t kLongestConfig = 65536;

std::vector<Tombstone> readTombstones(SlotReader& reader) {
  std::vector<Tombstone> tombstones;
  reader.list([&] {
    Tombstone tombstone;
    reader.tuple(kTombstoneFields, [&] {
      tombstone.node = reader.id();
      tombstone.generation = reader.number(1, kLastRemoved, "an impossible generation");
      tombstone.remover = reader.id();
    });
    reader.require(tombstones.size() < SlotTable::kMostTombstones, "too many tombstones");
    if (reader.good()) tombstones.push_back(tombstone);
  });
  return tombstones;
}

std::map<NodeId, std::uint32_t> readNodes(SlotReader& reader) {
  std::map<NodeId, std::uint32_t> nodes;
  for (std::size_t left = reader.in.map(); left > 0 && reader.good(); --left) {
    const NodeId node = reader.id();
    const std::uint32_t generation = reader.number(1, UINT32_MAX, "an impossible generation");
    reader.require(nodes.size() < kMostNodes, "too many nodes");
    if (reader.good()) nodes[node] = generation;
  }
  return nodes;
}

ClusterInfo readInfo(SlotReader& reader) {
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
          (news.nodes.empty() ? 0U : 1U) + (news.runs.empty() ? 0U : 1U) +
          (news.tombstones.empty() ? 0U : 1U));
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
  if (!news.nodes.empty()) {
    out.raw("N");
    out.map(news.nodes.size());
    for (const auto& [node, generation] : news.nodes) {
      out.raw(node.raw());
      out.number(generation);
    }
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
  SlotReader reader(bytes);
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
    } else if (key == "N") {
      news.nodes = readNodes(reader);
    } else if (key == "R") {
      news.runs = readRuns(reader);
    } else if (key == "T") {
      news.tombstones = readTombstones(reader);
    } else {
      reader.in.skip();
    }
  });
  reader.require(hasSender, "no sender");
  reader.require(
      news.cluster || (!news.info && news.nodes.empty() && news.runs.empty() && news.tombstones.empty()),
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

}  // namespace twill::gossip
