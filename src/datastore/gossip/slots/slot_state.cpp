// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/slots/slot_state.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/fnv.hpp"
#include "datastore/gossip/slots/slots.hpp"

namespace twill::gossip {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kVersion = R"({"Version":1,)";
constexpr std::string_view kEnd = "}\n";

/// All that stands before the state. Compared as text, so that no altered byte goes unseen.
std::string headOf(std::string_view payload) {
  return fmt::format(R"({}"Checksum":"{:016x}","State":)", kVersion, fnv1a(payload));
}

constexpr std::string_view kAdvice =
    "remove the file to start as a new node, and on another node remove the old one with \"twill peer rm\", "
    "so that its slots can be used again";

Failure damaged(std::string_view why) {
  return fail(fmt::format("the state of this node's slots {}; {}", why, kAdvice), Error::Kind::invalid);
}

Json toJson(const ClusterInfo& info) {
  return {{"Id", info.id.text()},
          {"Slots", info.slots},
          {"ByAddress", info.byAddress},
          {"Config", info.config},
          {"ConfigVersion", info.configVersion},
          {"ConfigWriter", info.configWriter.text()}};
}

Json toJson(const SlotRun& run) {
  const SlotRecord& record = run.first;
  return {record.slot,
          run.count,
          record.owner.text(),
          record.version,
          static_cast<unsigned>(record.use),
          record.generation,
          record.revokedUntil,
          record.data};
}

/// Values of the wrong kind or out of bounds read as 0 and are remembered.
class Reader {
 public:
  [[nodiscard]] bool good() const { return good_; }
  void require(bool holds) { good_ = good_ && holds; }

  const Json& at(const Json& object, const char* key) {
    static const Json none;
    const auto found = object.is_object() ? object.find(key) : object.end();
    require(object.is_object() && found != object.end());
    return object.is_object() && found != object.end() ? *found : none;
  }
  const Json& list(const Json& value, std::size_t count) {
    static const Json none = Json::array();
    require(value.is_array() && (count == 0 || value.size() == count));
    return good_ ? value : none;
  }
  std::uint64_t number(const Json& value, std::uint64_t low, std::uint64_t high) {
    const std::uint64_t number = value.is_number_unsigned() ? value.get<std::uint64_t>() : 0;
    require(value.is_number_unsigned() && number >= low && number <= high);
    return number;
  }
  std::uint32_t number32(const Json& value, std::uint32_t low = 0, std::uint32_t high = UINT32_MAX) {
    return static_cast<std::uint32_t>(number(value, low, high));
  }
  bool boolean(const Json& value) {
    require(value.is_boolean());
    return value.is_boolean() && value.get<bool>();
  }
  std::string text(const Json& value) {
    require(value.is_string());
    return value.is_string() ? value.get<std::string>() : std::string();
  }
  NodeId id(const Json& value) {
    const auto id = NodeId::parse(text(value));
    require(id.has_value());
    return id.value_or(NodeId());
  }

 private:
  bool good_ = true;
};

ClusterInfo readInfo(Reader& in, const Json& json) {
  ClusterInfo info{.id = in.id(in.at(json, "Id")),
                   .slots = in.number32(in.at(json, "Slots"), 1, kMostSlots),
                   .byAddress = in.boolean(in.at(json, "ByAddress")),
                   .config = in.text(in.at(json, "Config")),
                   .configVersion = in.number32(in.at(json, "ConfigVersion"), 1),
                   .configWriter = in.id(in.at(json, "ConfigWriter"))};
  const auto network = parseNetworkConfig(info.config);
  in.require(network && slotCount(*network) == info.slots);
  return info;
}

void readRun(Reader& in, const Json& json, SlotTable& table) {
  const Json& run = in.list(json, 8);
  if (!in.good()) return;
  SlotRun read{.first = {.slot = in.number32(run[0]),
                         .owner = in.id(run[2]),
                         .version = in.number32(run[3], 1, kLastVersion),
                         .use = static_cast<SlotUse>(in.number32(run[4], 0, 2)),
                         .generation = in.number32(run[5], 1),
                         .revokedUntil = static_cast<std::int64_t>(in.number(run[6], 0, INT64_MAX)),
                         .data = in.text(run[7])},
               .count = in.number32(run[1], 1)};
  in.require(read.first.slot < table.slots() && read.count <= table.slots() - read.first.slot);
  in.require(read.first.data.empty() || isLeaseText(read.first.data));
  for (std::uint32_t n = 0; in.good() && n < read.count; ++n) table.merge(recordOf(read, n));
}

SlotState readState(Reader& in, const Json& json) {
  SlotState state{.id = in.id(in.at(json, "Id")),
                  .generation = in.number32(in.at(json, "Generation"), 1),
                  .machine = {.machineId = in.text(in.at(json, "MachineId")),
                              .productUuid = in.text(in.at(json, "ProductUuid"))},
                  .nodes = {},
                  .cluster = {},
                  .table = SlotTable()};
  if (const Json& cluster = in.at(json, "Cluster"); !cluster.is_null()) {
    state.cluster = readInfo(in, cluster);
    if (in.good()) state.table = SlotTable(state.cluster->slots);
  }
  for (const Json& node : in.list(in.at(json, "Nodes"), 0)) {
    const Json& fields = in.list(node, 2);
    if (in.good()) state.nodes[in.id(fields[0])] = in.number32(fields[1], 1);
  }
  for (const Json& run : in.list(in.at(json, "Slots"), 0)) readRun(in, run, state.table);
  for (const Json& tombstone : in.list(in.at(json, "Removed"), 0)) {
    const Json& fields = in.list(tombstone, 3);
    if (!in.good()) break;
    state.table.merge(Tombstone{.node = in.id(fields[0]),
                                .generation = in.number32(fields[1], 1, kLastRemoved),
                                .remover = in.id(fields[2])});
  }
  return state;
}

/// Two machines with one node's state would both take its slots for their own.
Result<void> checkMachine(const SlotState& state, const Machine& here) {
  const auto differs = [](const std::string& one, const std::string& other) {
    return !one.empty() && !other.empty() && one != other;
  };
  const bool id = differs(state.machine.machineId, here.machineId);
  if (!id && !differs(state.machine.productUuid, here.productUuid)) return {};
  return fail(
      fmt::format("the state of this node's slots was written on another machine ({} {}, this one is "
                  "{}): the disk is a copy, and both would use the same subnets. On the copy {}",
                  id ? "machine-id" : "product uuid",
                  id ? state.machine.machineId : state.machine.productUuid,
                  id ? here.machineId : here.productUuid,
                  "remove the file to start as a new node. If there is no other, because this one got "
                  "new hardware, go on with \"twill gossip adopt\""),
      Error::Kind::invalid);
}

}  // namespace

SlotState newState(const NodeId& id, const Machine& machine) {
  return {.id = id, .generation = 1, .machine = machine, .nodes = {}, .cluster = {}, .table = SlotTable()};
}

std::string toText(const SlotState& state) {
  Json json = {{"Id", state.id.text()},
               {"Generation", state.generation},
               {"MachineId", state.machine.machineId},
               {"ProductUuid", state.machine.productUuid},
               {"Nodes", Json::array()},
               {"Cluster", state.cluster ? toJson(*state.cluster) : Json()},
               {"Slots", Json::array()},
               {"Removed", Json::array()}};
  for (const auto& [node, generation] : state.nodes)
    json["Nodes"].push_back(Json::array({node.text(), generation}));
  for (const SlotRun& run : state.table.runs()) json["Slots"].push_back(toJson(run));
  for (const auto& [node, tombstone] : state.table.tombstones())
    json["Removed"].push_back({node.text(), tombstone.generation, tombstone.remover.text()});
  const std::string payload = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  return headOf(payload) + payload + std::string(kEnd);
}

Result<SlotState> parseSlotState(std::string_view text, const Machine& here) {
  const std::size_t around = headOf("").size();
  if (text.size() < around + kEnd.size() || !text.ends_with(kEnd)) return damaged("is cut off");
  if (!text.starts_with(kVersion)) return damaged("is damaged, or of another version of Twill");
  const std::string_view payload = text.substr(around, text.size() - around - kEnd.size());
  if (text.substr(0, around) != headOf(payload)) return damaged("is damaged: its checksum is wrong");
  Reader in;
  const Json json = Json::parse(payload, nullptr, false);
  SlotState state = readState(in, json);
  if (!in.good()) return damaged("is not as this version of Twill writes it");
  TWILL_CHECK(checkMachine(state, here));
  return state;
}

}  // namespace twill::gossip
