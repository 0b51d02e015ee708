// SPDX-License-Identifier: Apache-2.0
#include "model/attachment.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/fnv.hpp"
#include "model/json_read.hpp"

namespace twill {
namespace {

constexpr std::size_t kLongestText = 1U << 20U;
constexpr std::array kProtocols{PortProtocol::tcp, PortProtocol::udp, PortProtocol::sctp};

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
  for (const RouteNumber& attribute : kRouteNumbers) {
    auto found = json::find(object, attribute.name);
    if (!found) continue;
    constexpr auto kMost = std::numeric_limits<std::uint32_t>::max();
    TWILL_TRY(const std::int64_t number, json::number(attribute.name, *found, 0, kMost));
    route.*attribute.member = static_cast<std::uint32_t>(number);
  }
  if (auto scope = json::find(object, "scope")) {
    TWILL_TRY(const std::int64_t number, json::number("scope", *scope, 0, 255));
    route.scope = static_cast<std::uint8_t>(number);
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

Result<std::uint16_t> readPort(json::Object object, std::string_view key) {
  TWILL_TRY(json::Value value, required(object, key));
  TWILL_TRY(std::int64_t port, json::number(key, value, 1, 65535));
  return static_cast<std::uint16_t>(port);
}

Result<PortMapping> readPortMapping(std::string_view key, json::Value value) {
  TWILL_TRY(json::Object object, json::object(key, value));
  PortMapping out;
  TWILL_TRY(json::Value protocol, required(object, "protocol"));
  TWILL_TRY(std::string_view word, json::text("protocol", protocol));
  const auto found = std::find_if(kProtocols.begin(), kProtocols.end(),
                                  [&](PortProtocol known) { return textOf(known) == word; });
  if (found == kProtocols.end()) return json::unexpected("protocol", protocol, "tcp, udp or sctp");
  out.protocol = *found;
  TWILL_TRY(out.hostPort, readPort(object, "hostPort"));
  TWILL_TRY(out.containerPort, readPort(object, "containerPort"));
  if (auto hostIp = json::find(object, "hostIP")) {
    TWILL_TRY(out.hostIp, parsed<IpAddress>("hostIP", *hostIp));
  }
  return out;
}

Result<void> readRate(json::Object object, std::string_view key, std::optional<Rate>& out) {
  auto value = json::find(object, key);
  if (!value) return {};
  TWILL_TRY(json::Object rate, json::object(key, *value));
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  out.emplace();
  for (const auto& [name, member] :
       {std::pair{"bitsPerSecond", &Rate::bitsPerSecond}, std::pair{"burstBits", &Rate::burstBits}}) {
    TWILL_TRY(json::Value number, required(rate, name));
    TWILL_TRY(std::int64_t bits, json::number(name, number, 1, kMost));
    (*out).*member = static_cast<std::uint64_t>(bits);
  }
  return {};
}

Result<void> readMac(json::Object object, std::string_view key, MacAddress& out) {
  TWILL_TRY(json::Value value, required(object, key));
  TWILL_TRY(out, parsed<MacAddress>(key, value));
  return {};
}

/// What records of before it was kept do not have.
Result<void> readLater(json::Object object, Attachment& out) {
  if (auto id = json::find(object, "netnsId")) {
    TWILL_TRY(out.netnsId, json::text("netnsId", *id));
  }
  if (auto home = json::find(object, "home")) {
    TWILL_TRY(out.home, json::text("home", *home));
    TWILL_TRY(json::Value bridge, required(object, "bridge"));
    TWILL_TRY(out.bridge, json::text("bridge", bridge));
  }
  if (auto guard = json::find(object, "spoofGuard")) {
    TWILL_TRY(out.spoofGuard, json::boolean("spoofGuard", *guard));
  }
  if (auto ours = json::find(object, "nodeIsGateway")) {
    TWILL_TRY(out.nodeIsGateway, json::boolean("nodeIsGateway", *ours));
  }
  if (json::find(object, "masqueraded"))
    TWILL_CHECK(readArray(object, "masqueraded", out.masqueraded, parsed<IpAddress>));
  if (json::find(object, "ports")) TWILL_CHECK(readArray(object, "ports", out.ports, readPortMapping));
  TWILL_CHECK(readRate(object, "ingress", out.ingress));
  return readRate(object, "egress", out.egress);
}

nlohmann::ordered_json toJson(const PortMapping& port) {
  nlohmann::ordered_json out = {{"protocol", textOf(port.protocol)},
                                {"hostPort", port.hostPort},
                                {"containerPort", port.containerPort}};
  if (port.hostIp) out["hostIP"] = port.hostIp->text();
  return out;
}

nlohmann::ordered_json toJson(const ContainerRoute& route) {
  nlohmann::ordered_json out = {{"dst", route.dst.text()}};
  if (route.via) out["via"] = route.via->text();
  for (const RouteNumber& attribute : kRouteNumbers) {
    if (route.*attribute.member != 0) out[attribute.name] = route.*attribute.member;
  }
  if (route.scope) out["scope"] = *route.scope;
  return out;
}

nlohmann::ordered_json toJson(const Rate& rate) {
  return {{"bitsPerSecond", rate.bitsPerSecond}, {"burstBits", rate.burstBits}};
}

}  // namespace

std::string_view textOf(PortProtocol protocol) {
  constexpr std::array<std::string_view, 3> kWords{"tcp", "udp", "sctp"};
  return kWords[static_cast<std::size_t>(protocol)];
}

std::string hostInterfaceName(std::string_view attachmentKey) {
  constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";  // RFC 4648 base32, lower case
  std::uint64_t hash = fnv1a(attachmentKey);
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
  TWILL_CHECK(readLater(object, out));
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
  if (!attachment.home.empty()) {
    out["home"] = attachment.home;
    out["bridge"] = attachment.bridge;
  }
  out["netns"] = attachment.netns;
  if (!attachment.netnsId.empty()) out["netnsId"] = attachment.netnsId;
  out["mode"] = attachment.mode == AttachMode::bridge ? "bridge" : "routed";
  out["hostIfname"] = attachment.hostIfname;
  out["mac"] = attachment.mac.text();
  out["hostMac"] = attachment.hostMac.text();
  out["mtu"] = attachment.mtu;
  out["hairpin"] = attachment.hairpin;
  out["spoofGuard"] = attachment.spoofGuard;
  if (!attachment.ports.empty()) out["ports"] = Json::array();
  for (const auto& port : attachment.ports) out["ports"].push_back(toJson(port));
  if (attachment.ingress) out["ingress"] = toJson(*attachment.ingress);
  if (attachment.egress) out["egress"] = toJson(*attachment.egress);
  if (!attachment.masqueraded.empty()) out["masqueraded"] = Json::array();
  for (const auto& address : attachment.masqueraded) out["masqueraded"].push_back(address.text());
  if (!attachment.nodeIsGateway) out["nodeIsGateway"] = false;
  out["addresses"] = Json::array();
  for (const auto& address : attachment.addresses) out["addresses"].push_back(address.text());
  out["gateways"] = Json::array();
  for (const auto& gateway : attachment.gateways) out["gateways"].push_back(gateway.text());
  out["routes"] = Json::array();
  for (const auto& route : attachment.routes) out["routes"].push_back(toJson(route));
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace twill
