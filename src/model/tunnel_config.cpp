// SPDX-License-Identifier: Apache-2.0
#include "model/tunnel_config.hpp"

#include <nlohmann/json.hpp>

#include "model/json_read.hpp"
#include "model/network_config.hpp"

namespace twill {
namespace {

constexpr std::size_t kLongestText = 64U << 20U;
constexpr std::size_t kLongestLinkName = 15;  // IFNAMSIZ, less the zero at its end

Result<json::Value> need(json::Object object, std::string_view key) {
  if (auto value = json::find(object, key)) return *value;
  return fail(std::string(key) + " is missing", Error::Kind::invalid);
}

Result<IpAddress> anyAddress(std::string_view key, json::Value value) {
  TWILL_TRY(auto text, json::text(key, value));
  auto address = IpAddress::parse(text);
  if (address) return *address;
  return json::unexpected(key, value, "an address", address.error());
}

Result<std::vector<Prefix>> prefixes(json::Object object, std::string_view key) {
  TWILL_TRY(auto value, need(object, key));
  if (!value.is_array()) return json::unexpected(key, value, "an array of prefixes");
  std::vector<Prefix> out;
  for (json::Value one : simdjson::dom::array(value)) {
    TWILL_TRY(auto text, json::text(key, one));
    auto prefix = Prefix::parse(text);
    if (!prefix) return json::unexpected(key, one, "a prefix", prefix.error());
    out.push_back(*prefix);
  }
  return out;
}

Result<void> readLocal(json::Object object, std::string_view key, Family family,
                       std::optional<IpAddress>& local) {
  const auto value = json::find(object, key);
  if (!value) return {};
  TWILL_TRY(local, json::address(key, *value, family));
  return {};
}

Result<void> readEngine(json::Object object, TunnelConfig& config) {
  if (const auto value = json::find(object, "underlay")) {
    TWILL_TRY(config.underlay, json::name("underlay", *value));
  }
  if (const auto value = json::find(object, "engine")) {
    TWILL_TRY(config.engine, json::text("engine", *value));
    if (!isEngine("udp", config.engine)) return json::unexpected("engine", *value, engineWords("udp"));
  }
  return {};
}

Result<TunnelConfig::Peer> readPeer(json::Value value) {
  TWILL_TRY(auto object, json::object("peers", value));
  TunnelConfig::Peer peer;
  TWILL_TRY(auto name, need(object, "name"));
  TWILL_TRY(peer.name, json::name("name", name));
  TWILL_TRY(auto endpoint, need(object, "endpoint"));
  TWILL_TRY(peer.endpoint, anyAddress("endpoint", endpoint));
  TWILL_TRY(peer.prefixes, prefixes(object, "prefixes"));
  if (const auto partial = json::find(object, "partial_checksums")) {
    TWILL_TRY(peer.partialChecksums, json::boolean("partial_checksums", *partial));
  }
  return peer;
}

nlohmann::json textsOf(const std::vector<Prefix>& prefixes) {
  auto texts = nlohmann::json::array();
  for (const Prefix& prefix : prefixes) texts.push_back(prefix.text());
  return texts;
}

}  // namespace

Result<TunnelConfig> TunnelConfig::parse(std::string_view text) {
  simdjson::dom::parser parser;
  TWILL_TRY(auto root, json::parse(parser, text, kLongestText));
  TWILL_TRY(auto object, json::object("the whole", root));
  TunnelConfig config;
  TWILL_TRY(auto device, need(object, "device"));
  TWILL_TRY(config.device, json::name("device", device));
  if (config.device.size() > kLongestLinkName)
    return json::unexpected("device", device, "15 characters at most");
  TWILL_TRY(auto port, need(object, "port"));
  TWILL_TRY(const auto number, json::number("port", port, 1, 65535));
  config.port = static_cast<std::uint16_t>(number);
  TWILL_CHECK(readEngine(object, config));
  TWILL_CHECK(readLocal(object, "local4", Family::v4, config.local4));
  TWILL_CHECK(readLocal(object, "local6", Family::v6, config.local6));
  if (!config.local4 && !config.local6)
    return fail("neither local4 nor local6 is set; expected the node's address", Error::Kind::invalid);
  TWILL_TRY(config.own, prefixes(object, "own"));
  TWILL_TRY(auto peers, need(object, "peers"));
  if (!peers.is_array()) return json::unexpected("peers", peers, "an array of peers");
  for (json::Value value : simdjson::dom::array(peers)) {
    TWILL_TRY(Peer peer, readPeer(value));
    config.peers.push_back(std::move(peer));
  }
  return config;
}

std::string TunnelConfig::text() const {
  nlohmann::json root{{"device", device},
                      {"engine", engine},
                      {"port", port},
                      {"own", textsOf(own)},
                      {"peers", nlohmann::json::array()}};
  if (!underlay.empty()) root["underlay"] = underlay;
  if (local4) root["local4"] = local4->text();
  if (local6) root["local6"] = local6->text();
  for (const Peer& peer : peers) {
    root["peers"].push_back({{"name", peer.name},
                             {"endpoint", peer.endpoint.text()},
                             {"prefixes", textsOf(peer.prefixes)},
                             {"partial_checksums", peer.partialChecksums}});
  }
  return root.dump(1) + "\n";
}

}  // namespace twill
