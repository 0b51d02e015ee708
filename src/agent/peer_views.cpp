// SPDX-License-Identifier: Apache-2.0
#include "agent/peer_views.hpp"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "agent/lease_view.hpp"
#include "datastore/gossip/key_survey.hpp"

namespace twill {

using Json = nlohmann::ordered_json;

namespace {

Json textOrNull(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

/// Of a node that is up, or may be.
bool mayAnswer(const Peers::Node& node) {
  return node.status == "alive" || node.status == "suspect" || node.status == "leaving";
}

/// `node`: null where the lease's owner is no member (any more).
void addState(Json& out, const Peers::Node* node) {
  const bool accused = node != nullptr && (node->status == "suspect" || node->status == "failed");
  out["id"] = node == nullptr ? Json(nullptr) : textOrNull(node->id);
  out["state"] = node == nullptr ? Json(nullptr) : Json(node->status);
  out["since_seconds"] = node == nullptr ? Json(nullptr) : Json(node->seconds);
  out["by"] = accused ? textOrNull(node->accuser) : Json(nullptr);
  out["endpoint"] = node == nullptr ? Json(nullptr) : textOrNull(node->endpoint);
  out["no_direct_way"] = node == nullptr ? Json(nullptr) : Json(node->noDirectWay);
}

void sortByName(Json& list) {
  std::stable_sort(list.begin(), list.end(),
                   [](const Json& one, const Json& other) { return one["node"] < other["node"]; });
}

}  // namespace

Json nodesView(const std::string& self, const std::vector<Lease>& leases,
               const std::vector<Peers::Node>& nodes) {
  Json list = Json::array();
  std::set<std::string> shown;
  for (const Lease& lease : leases) {
    const auto found = std::find_if(nodes.begin(), nodes.end(),
                                    [&](const Peers::Node& node) { return node.name == lease.node; });
    addState(list.emplace_back(leaseView(lease, nullptr)), found == nodes.end() ? nullptr : &*found);
    shown.insert(lease.node);
  }
  for (const Peers::Node& node : nodes) {
    if (shown.contains(node.name)) continue;
    Lease none;
    none.node = node.name;
    addState(list.emplace_back(leaseView(none, nullptr)), &node);
  }
  sortByName(list);
  return {{"node", self}, {"leases", std::move(list)}};
}

Json subnetsView(const std::string& self, const Peers::Pool& pool) {
  Json nodes = Json::array();
  std::uint32_t active = 0;
  std::uint32_t free = 0;
  std::uint32_t revoked = 0;
  for (const Peers::Share& share : pool.shares) {
    nodes.push_back({{"node", share.node},
                     {"id", share.id},
                     {"in_use", share.active},
                     {"free", share.free},
                     {"resting", share.revoked},
                     {"reachable", share.reachable},
                     {"removed", share.removed}});
    active += share.active;
    free += share.free;
    revoked += share.revoked;
  }
  sortByName(nodes);
  return {{"node", self},
          {"cluster", textOrNull(pool.cluster)},
          {"slots", pool.slots},
          {"nodes", std::move(nodes)},
          {"total",
           {{"in_use", active},
            {"free", free},
            {"resting", revoked},
            {"unowned", pool.slots - std::min(pool.slots, active + free + revoked)}}}};
}

Json keysView(const Peers::KeysOfAll& keys, const std::vector<Peers::Node>& nodes, bool show) {
  Json spread = Json::array();
  for (const auto& one : gossip::spreadOf(keys.answers)) {
    Json& entry = spread.emplace_back(Json{
        {"fingerprint", gossip::fingerprintOf(one.key)}, {"nodes", one.nodes}, {"encrypts", one.encrypts}});
    if (show) entry["key"] = one.key;
  }
  Json answers = Json::array();
  std::set<std::string> answered;
  for (const Peers::Keys& answer : keys.answers) {
    Json fingerprints = Json::array();
    for (const auto& key : answer.keys) fingerprints.push_back(gossip::fingerprintOf(key));
    answers.push_back({{"node", answer.node},
                       {"done", answer.done},
                       {"message", textOrNull(answer.message)},
                       {"keys", std::move(fingerprints)}});
    answered.insert(answer.node);
  }
  Json silent = Json::array();
  Json absent = Json::array();
  for (const Peers::Node& node : nodes) {
    if (answered.contains(node.name)) continue;
    if (mayAnswer(node)) silent.push_back(node.name);
    if (node.status == "failed") absent.push_back(node.name);
  }
  return {{"asked", keys.asked},
          {"keys", std::move(spread)},
          {"nodes", std::move(answers)},
          {"silent", std::move(silent)},
          {"absent", std::move(absent)}};
}

Json membersView(const std::vector<Peers::Node>& nodes) {
  Json counts{{"alive", 0}, {"suspect", 0}, {"leaving", 0}, {"left", 0}, {"failed", 0}};
  Json indirect = Json::array();
  Json others = Json::array();
  for (const Peers::Node& node : nodes) {
    counts[node.status] = counts.value(node.status, 0) + 1;
    if (!mayAnswer(node)) continue;
    if (node.noDirectWay) indirect.push_back({{"node", node.name}, {"endpoint", node.endpoint}});
    if (!node.isSelf && !node.noDirectWayTo.empty())
      others.push_back({{"node", node.name}, {"to", node.noDirectWayTo}});
  }
  return {{"members", std::move(counts)},
          {"no_direct_way", std::move(indirect)},
          {"others_without_direct_way", std::move(others)}};
}

}  // namespace twill
