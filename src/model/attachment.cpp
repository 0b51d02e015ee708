// SPDX-License-Identifier: Apache-2.0
#include "model/attachment.hpp"

#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "model/json_read.hpp"

namespace twill {
namespace {

constexpr std::size_t kLongestText = 1U << 20U;

Result<json::Value> required(json::Object object, std::string_view key) {
  if (auto value = json::find(object, key)) return *value;
  return fail(fmt::format("{} is missing", key), Error::Kind::invalid);
}

Result<void> readText(json::Object object, std::string_view key, std::string& out) {
  TWILL_TRY(json::Value value, required(object, key));
  TWILL_TRY(out, json::text(key, value));
  return {};
}

/// Something that reads itself from text and whose error says what is wrong with it.
template <class T>
Result<T> parsed(std::string_view key, json::Value value) {
  TWILL_TRY(std::string_view text, json::text(key, value));
  auto out = T::parse(text);
  if (!out) return json::unexpected(key, value, "a correct value", out.error());
  return out;
}

Result<ContainerRoute> readRoute(std::string_view key, json::Value value) {
  TWILL_TRY(json::Object object, json::object(key, value));
  ContainerRoute route;
  TWILL_TRY(json::Value dst, required(object, "dst"));
  TWILL_TRY(route.dst, parsed<Prefix>("dst", dst));
  if (auto via = json::find(object, "via")) {
    TWILL_TRY(route.via, parsed<IpAddress>("via", *via));
  }
  return route;
}

template <class T, class Read>
Result<void> readArray(json::Object object, std::string_view key, std::vector<T>& out, Read read) {
  TWILL_TRY(json::Value value, required(object, key));
  simdjson::dom::array elements;
  if (value.get(elements) != simdjson::SUCCESS) return json::unexpected(key, value, "an array");
  for (json::Value element : elements) {
    TWILL_TRY(T item, read(key, element));
    out.push_back(std::move(item));
  }
  return {};
}

Result<void> readMode(json::Object object, AttachMode& out) {
  TWILL_TRY(json::Value value, required(object, "mode"));
  auto mode = json::text("mode", value);
  if (!mode || (*mode != "bridge" && *mode != "routed")) {
    return json::unexpected("mode", value, "\"bridge\" or \"routed\"");
  }
  out = *mode == "bridge" ? AttachMode::bridge : AttachMode::routed;
  return {};
}

Result<void> readMac(json::Object object, std::string_view key, MacAddress& out) {
  TWILL_TRY(json::Value value, required(object, key));
  TWILL_TRY(out, parsed<MacAddress>(key, value));
  return {};
}

}  // namespace

std::string hostInterfaceName(std::string_view attachmentKey) {
  constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";  // RFC 4648 base32, lower case
  std::uint64_t hash = 0xcbf29ce484222325ULL;                                 // FNV-1a, 64 bit
  for (char c : attachmentKey) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3ULL;
  std::string name = "tw";
  for (int i = 0; i < 11; ++i, hash >>= 5U) name += kAlphabet[hash & 31U];
  return name;
}

Result<Attachment> parseAttachment(std::string_view json) {
  simdjson::dom::parser parser;
  TWILL_TRY(json::Value root, json::parse(parser, json, kLongestText));
  TWILL_TRY(json::Object object, json::object("the attachment", root));
  Attachment out;
  TWILL_CHECK(readText(object, "network", out.network));
  TWILL_CHECK(readText(object, "containerId", out.containerId));
  TWILL_CHECK(readText(object, "ifname", out.ifname));
  TWILL_CHECK(readText(object, "netns", out.netns));
  if (auto id = json::find(object, "netnsId")) {  // records of before it was kept have none
    TWILL_TRY(out.netnsId, json::text("netnsId", *id));
  }
  TWILL_CHECK(readMode(object, out.mode));
  TWILL_CHECK(readText(object, "hostIfname", out.hostIfname));
  TWILL_CHECK(readMac(object, "mac", out.mac));
  TWILL_CHECK(readMac(object, "hostMac", out.hostMac));
  TWILL_TRY(json::Value mtu, required(object, "mtu"));
  TWILL_TRY(std::int64_t bytes, json::number("mtu", mtu, 68, 65535));  // RFC 791's least, IP's most
  out.mtu = static_cast<int>(bytes);
  TWILL_TRY(json::Value hairpin, required(object, "hairpin"));
  TWILL_TRY(out.hairpin, json::boolean("hairpin", hairpin));
  TWILL_CHECK(readArray(object, "addresses", out.addresses, parsed<InterfaceAddress>));
  TWILL_CHECK(readArray(object, "gateways", out.gateways, parsed<IpAddress>));
  TWILL_CHECK(readArray(object, "routes", out.routes, readRoute));
  return out;
}

std::string toJson(const Attachment& attachment) {
  using Json = nlohmann::ordered_json;
  Json out;
  out["network"] = attachment.network;
  out["containerId"] = attachment.containerId;
  out["ifname"] = attachment.ifname;
  out["netns"] = attachment.netns;
  if (!attachment.netnsId.empty()) out["netnsId"] = attachment.netnsId;
  out["mode"] = attachment.mode == AttachMode::bridge ? "bridge" : "routed";
  out["hostIfname"] = attachment.hostIfname;
  out["mac"] = attachment.mac.text();
  out["hostMac"] = attachment.hostMac.text();
  out["mtu"] = attachment.mtu;
  out["hairpin"] = attachment.hairpin;
  out["addresses"] = Json::array();
  for (const auto& address : attachment.addresses) out["addresses"].push_back(address.text());
  out["gateways"] = Json::array();
  for (const auto& gateway : attachment.gateways) out["gateways"].push_back(gateway.text());
  out["routes"] = Json::array();
  for (const auto& route : attachment.routes) {
    Json entry = {{"dst", route.dst.text()}};
    if (route.via) entry["via"] = route.via->text();
    out["routes"].push_back(std::move(entry));
  }
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace twill
