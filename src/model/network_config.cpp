// SPDX-License-Identifier: Apache-2.0
#include "model/network_config.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "model/json_read.hpp"

namespace twill {
namespace {

constexpr std::size_t kLongestText = 1U << 20U;

/// What differs between the two families: the spelling of the keys, and flannel's sizes.
struct FamilyRules {
  Family family;
  std::string_view enable;
  std::string_view network;
  std::string_view length;
  std::string_view first;
  std::string_view last;
  int usualLength;    ///< of a node's subnet, when the network has room for four of them
  int longestLength;  ///< flannel leaves four addresses to a subnet
};

constexpr FamilyRules kV4{Family::v4, "EnableIPv4", "Network", "SubnetLen", "SubnetMin", "SubnetMax", 24, 30};
constexpr FamilyRules kV6{
    Family::v6, "EnableIPv6", "IPv6Network", "IPv6SubnetLen", "IPv6SubnetMin", "IPv6SubnetMax", 64, 126};

/// The cluster's prefix. Host bits are cleared, as flannel does.
Result<Prefix> readNetwork(json::Object root, const FamilyRules& rules) {
  std::string_view example = rules.family == Family::v4 ? "10.244.0.0/16" : "fd42::/56";
  std::string expected = fmt::format("a prefix such as \"{}\"", example);
  auto value = json::find(root, rules.network);
  if (!value) {
    return fail(
        fmt::format("{} is missing; expected {}, or \"{}\": false", rules.network, expected, rules.enable),
        Error::Kind::invalid);
  }
  TWILL_TRY(std::string_view text, json::text(rules.network, *value));
  auto parsed = InterfaceAddress::parse(text);
  if (!parsed) return json::unexpected(rules.network, *value, expected, parsed.error());
  Prefix network = parsed->prefix();
  if (network.family() != rules.family || network.length() == 0 || network.address().isMulticast() ||
      network.address().isLoopback()) {
    return json::unexpected(rules.network, *value, expected);
  }
  if (network.length() > rules.longestLength - 2) {
    return json::unexpected(
        rules.network, *value,
        fmt::format("a length of at most {}: four subnets must fit", rules.longestLength - 2));
  }
  return network;
}

/// 0 and absent mean automatic. At least four subnets must fit into the network.
Result<int> readSubnetLength(json::Object root, const FamilyRules& rules, const Prefix& network) {
  int shortest = network.length() + 2;
  int automatic = std::max(rules.usualLength, shortest);
  auto value = json::find(root, rules.length);
  if (!value) return automatic;
  auto length = json::number(rules.length, *value, 0, rules.longestLength);
  if (length && *length == 0) return automatic;
  if (!length || *length < shortest) {
    return json::unexpected(rules.length, *value,
                            fmt::format("a whole number from {} to {}, so that four subnets fit into {}",
                                        shortest, rules.longestLength, network.text()));
  }
  return static_cast<int>(*length);
}

/// SubnetMin or SubnetMax: the first address of a subnet. Absent and all zero mean `automatic`.
Result<Prefix> readBound(json::Object root, const FamilyRules& rules, std::string_view key,
                         const Prefix& network, const Prefix& automatic) {
  auto value = json::find(root, key);
  if (!value) return automatic;
  TWILL_TRY(IpAddress address, json::address(key, *value, rules.family));
  if (address.isUnspecified()) return automatic;
  if (!network.contains(address)) {
    return json::unexpected(key, *value,
                            fmt::format("an address inside {} {}", rules.network, network.text()));
  }
  Prefix subnet(address, automatic.length());
  if (subnet.address() != address) {
    return json::unexpected(
        key, *value,
        fmt::format("the first address of a /{} such as {}", subnet.length(), subnet.address().text()));
  }
  return subnet;
}

Result<FamilyConfig> readFamily(json::Object root, const FamilyRules& rules) {
  FamilyConfig config;
  TWILL_TRY(config.network, readNetwork(root, rules));
  TWILL_TRY(config.subnetLength, readSubnetLength(root, rules, config.network));
  // The first subnet is left out as flannel does: its base address is the network's own.
  Prefix second = config.network.subnet(config.subnetLength, 1);
  Prefix final(config.network.last(), config.subnetLength);
  TWILL_TRY(config.subnetMin, readBound(root, rules, rules.first, config.network, second));
  TWILL_TRY(config.subnetMax, readBound(root, rules, rules.last, config.network, final));
  if (config.subnetMax < config.subnetMin) {
    return fail(
        fmt::format("{} is {}; expected {} {} or higher", rules.last, config.subnetMax.address().text(),
                    rules.first, config.subnetMin.address().text()),
        Error::Kind::invalid);
  }
  return config;
}

Result<void> readBool(json::Object object, std::string_view key, bool& out) {
  if (auto value = json::find(object, key)) {
    TWILL_TRY(out, json::boolean(key, *value));
  }
  return {};
}

template <class Number>
Result<void> readNumber(json::Object object, std::string_view key, Number& out, std::int64_t low,
                        std::int64_t high) {
  if (auto value = json::find(object, key)) {
    TWILL_TRY(std::int64_t number, json::number(key, *value, low, high));
    out = static_cast<Number>(number);
  }
  return {};
}

Result<void> readType(json::Object object, BackendConfig& config) {
  constexpr std::string_view kExpected = "the name of a backend such as \"host-gw\" or \"vxlan\"";
  auto value = json::find(object, "Type");
  if (!value) return fail(fmt::format("Type is missing; expected {}", kExpected), Error::Kind::invalid);
  auto name = json::name("Type", *value);
  if (!name) return json::unexpected("Type", *value, kExpected);
  config.type = *name;
  for (char& c : config.type) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  return {};
}

Result<void> readEngine(json::Object object, BackendConfig& config) {
  auto value = json::find(object, "Engine");
  if (!value) return {};
  auto engine = json::text("Engine", *value);
  if (!engine || !isEngine(config.type, *engine))
    return json::unexpected("Engine", *value, engineWords(config.type));
  config.engine = *engine;
  return {};
}

Result<void> readMode(json::Object object, BackendConfig& config) {
  auto value = json::find(object, "Mode");
  if (!value) return {};
  auto mode = json::text("Mode", *value);
  if (!mode || (*mode != "separate" && *mode != "auto" && *mode != "ipv4" && *mode != "ipv6")) {
    return json::unexpected("Mode", *value, "\"separate\", \"auto\", \"ipv4\" or \"ipv6\"");
  }
  config.mode = *mode;
  return {};
}

/// The key must not show up in a log, so a wrong one is not shown.
Result<void> readPsk(json::Object object, BackendConfig& config) {
  auto value = json::find(object, "PSK");
  if (!value) return {};
  auto psk = json::text("PSK", *value);
  if (!psk) return fail("PSK is not text; expected a key in quotes", Error::Kind::invalid);
  config.psk = *psk;
  return {};
}

/// One table's id, or an array of them.
Result<void> readRouteTables(json::Object object, BackendConfig& config) {
  constexpr std::string_view kKey = "RouteTableID";
  auto value = json::find(object, kKey);
  if (!value) return {};
  auto one = [&](json::Value id) -> Result<void> {
    auto name = json::name(kKey, id);
    if (!name) return json::unexpected(kKey, *value, "a route table's id, or an array of ids");
    config.routeTableIds.emplace_back(*name);
    return {};
  };
  simdjson::dom::array ids;
  if (value->get(ids) != simdjson::SUCCESS) return one(*value);
  for (json::Value id : ids) TWILL_CHECK(one(id));
  return {};
}

/// What DirectRouting is where it is not given: with ipip it is the point.
bool routesDirectly(std::string_view type) {
  return type == "ipip";
}

Result<void> readBackendKeys(json::Object object, bool ipv6, BackendConfig& config) {
  constexpr std::int64_t kVniMax = (1 << 24) - 1;                            // RFC 7348: 24 bits
  constexpr std::int64_t kWord = std::numeric_limits<std::uint16_t>::max();  // ports, lengths, seconds
  TWILL_CHECK(readType(object, config));
  TWILL_CHECK(readNumber(object, "VNI", config.vni, 1, kVniMax));
  TWILL_CHECK(readNumber(object, "Port", config.port, 0, kWord));
  TWILL_CHECK(readNumber(object, "MTU", config.mtu, 0, kWord));
  int smallest = ipv6 ? 1280 : 68;  // RFC 8200, RFC 791
  if (config.mtu != 0 && config.mtu < smallest) {
    return fail(fmt::format("MTU is {}; expected 0 (automatic) or {} to {}", config.mtu, smallest, kWord),
                Error::Kind::invalid);
  }
  TWILL_CHECK(readBool(object, "GBP", config.gbp));
  TWILL_CHECK(readBool(object, "Learning", config.learning));
  config.directRouting = routesDirectly(config.type);
  TWILL_CHECK(readBool(object, "DirectRouting", config.directRouting));
  TWILL_CHECK(readEngine(object, config));
  TWILL_CHECK(readNumber(object, "ListenPort", config.listenPort, 0, kWord));
  TWILL_CHECK(readNumber(object, "ListenPortV6", config.listenPortV6, 0, kWord));
  TWILL_CHECK(readPsk(object, config));
  TWILL_CHECK(readNumber(object, "PersistentKeepaliveInterval", config.persistentKeepaliveSeconds, 0, kWord));
  TWILL_CHECK(readMode(object, config));
  return readRouteTables(object, config);
}

Result<BackendConfig> readBackend(json::Object root, bool ipv6) {
  BackendConfig config;
  auto value = json::find(root, "Backend");
  if (!value) return config;
  TWILL_TRY(json::Object object, json::object("Backend", *value));
  auto read = readBackendKeys(object, ipv6, config);
  if (!read) return Failure(std::move(read).error().in("Backend"));
  return config;
}

void write(nlohmann::ordered_json& out, const FamilyRules& rules, const std::optional<FamilyConfig>& config) {
  out[rules.enable] = config.has_value();
  if (!config) return;
  out[rules.network] = config->network.text();
  out[rules.length] = config->subnetLength;
  out[rules.first] = config->subnetMin.address().text();
  out[rules.last] = config->subnetMax.address().text();
}

}  // namespace

std::span<const std::string_view> enginesOf(std::string_view type) {
  static constexpr std::array<std::string_view, 3> kIpip{"auto", "driver", "ebpf"};
  static constexpr std::array<std::string_view, 3> kUdp{"auto", "user", "kernel"};
  return type == "ipip" ? kIpip : kUdp;
}

bool isEngine(std::string_view type, std::string_view name) {
  const auto engines = enginesOf(type);
  return std::find(engines.begin(), engines.end(), name) != engines.end();
}

std::string engineWords(std::string_view type) {
  const auto engines = enginesOf(type);
  return fmt::format(R"("{}" or "{}")", fmt::join(engines.first(engines.size() - 1), R"(", ")"),
                     engines.back());
}

std::vector<Prefix> NetworkConfig::networks() const {
  std::vector<Prefix> all;
  if (v4) all.push_back(v4->network);
  if (v6) all.push_back(v6->network);
  return all;
}

const FamilyConfig* NetworkConfig::family(Family family) const {
  const auto& config = family == Family::v4 ? v4 : v6;
  return config ? &*config : nullptr;
}

Result<NetworkConfig> parseNetworkConfig(std::string_view json) {
  simdjson::dom::parser parser;
  TWILL_TRY(json::Value value, json::parse(parser, json, kLongestText));
  TWILL_TRY(json::Object root, json::object("the network config", value));
  bool enable4 = true;
  bool enable6 = false;
  NetworkConfig config;
  TWILL_CHECK(readBool(root, kV4.enable, enable4));
  TWILL_CHECK(readBool(root, kV6.enable, enable6));
  TWILL_CHECK(readBool(root, "EnableNFTables", config.enableNftables));
  if (!enable4 && !enable6) {
    return fail("EnableIPv4 is false and EnableIPv6 is not true; expected at least one of them on",
                Error::Kind::invalid);
  }
  if (enable4) {
    TWILL_TRY(config.v4, readFamily(root, kV4));
  }
  if (enable6) {
    TWILL_TRY(config.v6, readFamily(root, kV6));
  }
  TWILL_TRY(config.backend, readBackend(root, enable6));
  return config;
}

std::string toJson(const NetworkConfig& config) {
  nlohmann::ordered_json out;
  write(out, kV4, config.v4);
  write(out, kV6, config.v6);
  out["EnableNFTables"] = config.enableNftables;
  const BackendConfig& from = config.backend;
  const BackendConfig usual;
  auto& backend = out["Backend"];
  backend["Type"] = from.type;
  auto put = [&backend](std::string_view key, const auto& value, const auto& byDefault) {
    if (value != byDefault) backend[key] = value;
  };
  put("VNI", from.vni, usual.vni);
  put("Port", from.port, usual.port);
  put("MTU", from.mtu, usual.mtu);
  put("GBP", from.gbp, usual.gbp);
  put("Learning", from.learning, usual.learning);
  put("DirectRouting", from.directRouting, routesDirectly(from.type));
  put("Engine", from.engine, usual.engine);
  put("ListenPort", from.listenPort, usual.listenPort);
  put("ListenPortV6", from.listenPortV6, usual.listenPortV6);
  put("PSK", from.psk, usual.psk);
  put("PersistentKeepaliveInterval", from.persistentKeepaliveSeconds, usual.persistentKeepaliveSeconds);
  put("Mode", from.mode, usual.mode);
  put("RouteTableID", from.routeTableIds, usual.routeTableIds);
  return out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace twill
