// SPDX-License-Identifier: Apache-2.0
#include "model/cloud_wish.hpp"

#include <nlohmann/json.hpp>

namespace twill {
namespace {

using Json = nlohmann::ordered_json;

Failure unreadable(const char* key) {
  return fail(std::string(key) + " is missing, or not what twilld writes", Error::Kind::invalid);
}

bool isText(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string();
}

Result<void> readLocal(const nlohmann::json& object, const char* key, std::optional<IpAddress>& out) {
  if (!object.contains(key)) return {};
  if (!isText(object, key)) return unreadable(key);
  TWILL_TRY(out, IpAddress::parse(object[key].get_ref<const std::string&>()));
  return {};
}

Result<FamilyConfig> readNetwork(const nlohmann::json& object) {
  const bool sound = object.is_object() && isText(object, "network") && object.contains("subnet_length") &&
                     object["subnet_length"].is_number_integer();
  if (!sound) return unreadable("networks");
  FamilyConfig out;
  TWILL_TRY(out.network, Prefix::parse(object["network"].get_ref<const std::string&>()));
  out.subnetLength = object["subnet_length"];
  return out;
}

}  // namespace

Result<CloudWish> CloudWish::parse(std::string_view text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  CloudWish out;
  if (!json.is_object() || !isText(json, "type")) return unreadable("type");
  out.type = json["type"];
  if (!isText(json, "node")) return unreadable("node");
  out.node = json["node"];
  TWILL_CHECK(readLocal(json, "local4", out.local4));
  TWILL_CHECK(readLocal(json, "local6", out.local6));
  if (!out.local4 && !out.local6) return unreadable("local4");
  for (const char* key : {"tables", "networks"}) {
    if (!json.contains(key) || !json[key].is_array()) return unreadable(key);
  }
  for (const auto& table : json["tables"]) {
    if (!table.is_string()) return unreadable("tables");
    out.tables.push_back(table);
  }
  for (const auto& network : json["networks"]) {
    TWILL_TRY(out.networks.emplace_back(), readNetwork(network));
  }
  return out;
}

std::string CloudWish::text() const {
  Json json = {{"type", type}, {"node", node}};
  if (local4) json["local4"] = local4->text();
  if (local6) json["local6"] = local6->text();
  json["tables"] = tables;
  json["networks"] = Json::array();
  for (const FamilyConfig& network : networks)
    json["networks"].push_back(
        {{"network", network.network.text()}, {"subnet_length", network.subnetLength}});
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace twill
