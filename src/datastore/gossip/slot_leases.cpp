// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/slot_leases.hpp"

#include <algorithm>
#include <charconv>
#include <sstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "datastore/gossip/slots/slots.hpp"

namespace twill::gossip {
namespace {

/// The tags' names; "tw" marks a Twill node.
constexpr const char* kCluster = "tw";
constexpr const char* kId = "id";
constexpr const char* kGeneration = "gen";
constexpr const char* kBoot = "boot";
constexpr const char* kNoDirectWay = "via";
constexpr const char* kUnfit = "unfit";
constexpr const char* kNoCluster = "-";
/// So many of those without a direct way are named to all others; with more it is the node itself that is cut
/// off.
constexpr std::size_t kNamed = 6;
constexpr std::size_t kUnfitLength = 240;

template <class Number>
bool readNumber(const Tags& tags, const char* name, int base, Number& number) {
  const auto tag = tags.find(name);
  if (tag == tags.end()) return false;
  const char* const end = tag->second.data() + tag->second.size();
  const auto read = std::from_chars(tag->second.data(), end, number, base);
  return read.ec == std::errc() && read.ptr == end;
}

std::optional<std::string> textIn(const nlohmann::json& entry, const char* key) {
  if (!entry.is_object()) return std::nullopt;
  const auto found = entry.find(key);
  return found != entry.end() && found->is_string() ? std::optional(found->get<std::string>()) : std::nullopt;
}

/// It goes to logs and terminals of others.
std::string printable(const std::string& text) {
  std::string out = text.substr(0, kUnfitLength);
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return out;
}

std::string listed(const std::set<std::string>& briefs) {
  std::vector<std::string> first;
  for (const auto& brief : briefs) {
    if (first.size() < kNamed) first.push_back(brief);
  }
  return fmt::format("{}", fmt::join(first, ","));
}

std::set<std::string> parseListed(const Tags& tags) {
  std::set<std::string> briefs;
  if (const auto tag = tags.find(kNoDirectWay); tag != tags.end()) {
    std::istringstream list(tag->second);
    for (std::string brief; briefs.size() < kNamed && std::getline(list, brief, ',');) briefs.insert(brief);
  }
  return briefs;
}

}  // namespace

std::optional<std::string> nodeOf(const std::string& data) {
  return textIn(nlohmann::json::parse(data, nullptr, false), "Node");
}

std::vector<IpAddress> addressesOf(const std::string& data) {
  const auto entry = nlohmann::json::parse(data, nullptr, false);
  std::vector<IpAddress> addresses;
  for (const char* key : {"PublicIP", "PublicIPv6"}) {
    const auto text = textIn(entry, key);
    if (const auto address = IpAddress::parse(text.value_or("")); address) addresses.push_back(*address);
  }
  return addresses;
}

Result<Cluster> pictureOf(const SlotKeeper& keeper, const std::map<std::string, NodeId>& living) {
  if (!keeper.state().cluster) return fail("this node is in no cluster yet", Error::Kind::busy);
  Cluster cluster;
  TWILL_TRY(cluster.network, parseNetworkConfig(keeper.state().cluster->config));
  const auto warn = [&cluster](const SlotRecord& record, std::string_view what) {
    cluster.warnings.push_back(fmt::format("slot {} of node {} {}", record.slot, record.owner.text(), what));
  };
  const auto mine = keeper.mine();
  for (const SlotRecord* record : keeper.leases()) {
    const bool isOwn = record->owner == keeper.state().id;
    if (isOwn && record->slot != mine) continue;
    const SlotSubnets subnets = subnetsOf(cluster.network, record->slot);
    auto lease = leaseFrom(record->data, subnets.v4, subnets.v6);
    if (!lease) {
      warn(*record, "cannot be read: " + lease.error().text);
      continue;
    }
    if (isOwn) lease->node = keeper.name();  // the record may be of the time before it got that name
    const auto now = living.find(lease->node);
    if (now != living.end() && now->second != record->owner) {
      warn(*record,
           fmt::format("is not used: another node goes by the name {} now; once the old one is known to "
                       "be dead, `twill peer rm {}` frees it",
                       lease->node, record->owner.text()));
      continue;
    }
    if (isOwn || lease->publicIp || lease->publicIp6) cluster.leases.push_back(std::move(*lease));
  }
  for (const auto& warning : keeper.warnings()) {
    // What somebody asked for is no fault; `twill subnets` shows it.
    if (warning.kind != SlotWarning::Kind::resting) cluster.warnings.push_back(warning.text);
  }
  return cluster;
}

Tags toTags(const NodeTags& node, const std::optional<Lease>& lease) {
  Tags tags{{kCluster, node.cluster ? node.cluster->text() : kNoCluster},
            {kId, node.id.text()},
            {kGeneration, std::to_string(node.generation)},
            {kBoot, fmt::format("{:x}", node.boot)}};
  const auto add = [&tags](const char* name, const std::string& value) {
    if (value.empty()) return;
    tags[name] = value;
    if (!encodeTags(tags)) tags.erase(name);
  };
  add(kNoDirectWay, listed(node.noDirectWay));
  add(kUnfit, node.unfit.substr(0, kUnfitLength));
  if (!lease) return tags;
  if (lease->subnet) tags["s4"] = lease->subnet->text();
  if (lease->subnet6) tags["s6"] = lease->subnet6->text();
  if (lease->publicIp) tags["ip"] = lease->publicIp->text();
  if (lease->publicIp6) tags["ip6"] = lease->publicIp6->text();
  if (!lease->backendType.empty()) tags["backend"] = lease->backendType;
  add("data", lease->backendData);
  add("data6", lease->backendV6Data);
  return tags;
}

std::optional<NodeTags> nodeTagsOf(const Tags& tags) {
  NodeTags node;
  const auto cluster = tags.find(kCluster);
  const auto id = tags.find(kId);
  if (cluster == tags.end() || id == tags.end()) return std::nullopt;
  const auto parsed = NodeId::parse(id->second);
  if (!parsed || !readNumber(tags, kGeneration, 10, node.generation) ||
      !readNumber(tags, kBoot, 16, node.boot))
    return std::nullopt;
  node.id = *parsed;
  node.noDirectWay = parseListed(tags);
  if (const auto unfit = tags.find(kUnfit); unfit != tags.end()) node.unfit = printable(unfit->second);
  if (cluster->second == kNoCluster) return node;
  const auto clusterId = ClusterId::parse(cluster->second);
  if (!clusterId) return std::nullopt;
  node.cluster = *clusterId;
  return node;
}

}  // namespace twill::gossip
