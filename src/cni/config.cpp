// SPDX-License-Identifier: Apache-2.0
#include "cni/config.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <limits>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cni/port_mappings.hpp"

namespace twill::cni {
namespace {

using Json = nlohmann::json;

constexpr int kDeepest = 64;

template <class Flag>
CniResult<void> readFlag(const Json& config, const char* key, Flag& into) {
  auto found = config.find(key);
  if (found == config.end() || found->is_null()) return {};
  if (!found->is_boolean()) return bad(key, *found, "true or false");
  into = found->get<bool>();
  return {};
}

CniResult<void> readMtu(const Json& config, AttachRequest& request) {
  auto found = config.find("mtu");
  if (found == config.end() || *found == 0) return {};
  // 68: RFC 791; 65535: the longest IP packet.
  bool fits = found->is_number_integer() && *found >= 68 && *found <= 65535;
  if (!fits) return bad("mtu", *found, "a number from 68 to 65535");
  request.mtu = found->get<int>();
  return {};
}

/// "<direction>Rate" in bits a second and "<direction>Burst" in bits. Runtimes that limit one direction only
/// send 0 for the other.
CniResult<void> readRate(const Json& object, const std::string& where, const std::string& direction,
                         std::optional<Rate>& out) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();  // what a record holds
  Rate rate;
  for (const auto& [word, into] : {std::pair{"Rate", &rate.bitsPerSecond}, {"Burst", &rate.burstBits}}) {
    const Json* value = memberOf(object, direction + word);
    if (value == nullptr) continue;
    if (!value->is_number_unsigned()) return bad(where + direction + word, *value, "a number of bits");
    *into = std::min(value->get<std::uint64_t>(), kMost);
  }
  out.reset();
  if (rate.bitsPerSecond == 0) return {};
  if (rate.burstBits == 0) return bad(where + direction + "Burst", 0, "a number of bits; a rate needs one");
  out = rate;
  return {};
}

/// As the stock bandwidth plugin has it: the runtime's bandwidth, or else the same keys in the config itself.
CniResult<void> readBandwidth(const Json& config, AttachRequest& request) {
  const Json* runtime = memberOf(config, "runtimeConfig");
  const Json* asked = runtime == nullptr ? nullptr : memberOf(*runtime, "bandwidth");
  const std::string where = asked == nullptr ? "" : "runtimeConfig.bandwidth.";
  if (asked != nullptr && !asked->is_object()) return bad("runtimeConfig.bandwidth", *asked, "an object");
  const Json& from = asked == nullptr ? config : *asked;
  if (auto read = readRate(from, where, "ingress", request.ingress); !read) return read;
  return readRate(from, where, "egress", request.egress);
}

/// Which of the node's networks is meant: by its name or, as for the plugin flannel, by its subnet.env.
CniResult<void> readHome(const Json& config, AttachRequest& request) {
  for (const auto& [key, into] : {std::pair{"network", &request.home}, {"subnetFile", &request.subnetFile}}) {
    const Json* value = memberOf(config, key);
    if (value == nullptr) continue;
    if (!value->is_string()) return bad(key, *value, "text");
    *into = value->get<std::string>();
  }
  return {};
}

CniResult<void> readMode(const Json& config, AttachRequest& request) {
  auto found = config.find("attach");
  if (found == config.end() || *found == "bridge") return {};
  if (*found != "routed") return bad("attach", *found, "\"bridge\" or \"routed\"");
  request.mode = AttachMode::routed;
  return {};
}

/// "172.16.0.7" or "172.16.0.7/24": the length is the node's business.
CniResult<void> askFor(const std::string& where, const std::string& text, AttachRequest& request) {
  if (text.empty()) return {};
  auto address = IpAddress::parse(text.substr(0, text.find('/')));
  if (!address) return bad(where, text, "an IP address");
  std::erase_if(request.addresses,
                [&](const IpAddress& other) { return other.family() == address->family(); });
  request.addresses.push_back(*address);
  return {};
}

CniResult<void> askForMac(const std::string& where, const std::string& text, AttachRequest& request) {
  if (text.empty()) return {};
  auto mac = MacAddress::parse(text);
  if (!mac || mac->isMulticast() || mac->isZero()) return bad(where, text, "a unicast MAC address");
  request.mac = *mac;
  return {};
}

CniResult<void> readCapabilities(const Json& object, const std::string& where, AttachRequest& request) {
  if (const Json* mac = memberOf(object, "mac")) {
    if (!mac->is_string()) return bad(where + ".mac", *mac, "text");
    if (auto read = askForMac(where + ".mac", *mac, request); !read) return read;
  }
  const Json* ips = memberOf(object, "ips");
  if (ips == nullptr) return {};
  if (!ips->is_array()) return bad(where + ".ips", *ips, "a list of addresses");
  for (const Json& ip : *ips) {
    if (!ip.is_string()) return bad(where + ".ips", ip, "an IP address");
    if (auto read = askFor(where + ".ips", ip, request); !read) return read;
  }
  if (ips->size() > request.addresses.size()) {
    return bad(where + ".ips", *ips, "at most one address of each IP version");
  }
  return {};
}

/// CNI_ARGS: "IgnoreUnknown=1;K8S_POD_NAME=web;IP=172.16.0.7;MAC=02:..", in any order; other keys are for
/// others.
CniResult<void> readArgs(std::string_view args, AttachRequest& request) {
  while (!args.empty()) {
    std::string_view pair = args.substr(0, args.find(';'));
    args.remove_prefix(std::min(pair.size() + 1, args.size()));
    auto equals = std::min(pair.find('='), pair.size());
    std::string_view key = pair.substr(0, equals);
    std::string value(pair.substr(std::min(equals + 1, pair.size())));
    CniResult<void> read;
    if (key == "IP") read = askFor("CNI_ARGS IP", value, request);
    if (key == "MAC") read = askForMac("CNI_ARGS MAC", value, request);
    if (!read) return read;
  }
  return {};
}

/// Keys of the stock bridge plugin that would change what a container is promised. Its others are either
/// read, or ask for what Twill does anyway.
CniResult<void> refuseUnsupported(const Json& config) {
  struct Key {
    const char* name;
    const char* why;
  };
  constexpr std::array kKeys{
      Key{"promiscMode",
          "a bridge in promiscuous mode shows every container's packets to all; leave it out, "
          "hairpinMode is what lets a container reach itself"},
      Key{"vlan", "Twill's bridge has no VLANs; leave it out, or make a network of its own"},
      Key{"vlanTrunk", "Twill's bridge has no VLANs; leave it out, or make a network of its own"}};
  for (const Key& key : kKeys) {
    const Json* value = memberOf(config, key.name);
    if (value == nullptr || *value == false || *value == 0 || value->empty()) continue;
    return tl::unexpected(CniError{
        .code = kUnsupported,
        .msg =
            fmt::format("{}: {} is not supported: {}", key.name,
                        value->dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, 100), key.why),
        .details = ""});
  }
  return {};
}

/// The config of the plugin flannel, which has the bridge's keys in an object of their own, as one for us.
/// That one would write the addresses to choose from and the MTU beside them; here both are the agent's.
CniResult<Json> withoutDelegate(Json config) {
  const Json* type = memberOf(config, "type");
  if (type == nullptr || *type != "flannel") return config;
  const Json* found = memberOf(config, "delegate");
  if (found == nullptr) return config;
  const Json delegate = *found;
  if (!delegate.is_object()) return bad("delegate", delegate, "an object");
  for (const char* key : {"name", "ipam"}) {
    if (const Json* value = memberOf(delegate, key))
      return bad(std::string("delegate.") + key, *value, "allowed");
  }
  if (const Json* kind = memberOf(delegate, "type");
      kind != nullptr && *kind != "bridge" && !isEmptyText(*kind))
    return bad("delegate.type", *kind, "bridge, which is what containers get");
  for (const auto& [key, value] : delegate.items()) {
    if (key != "type" && memberOf(config, key) == nullptr) config[key] = value;
  }
  return config;
}

}  // namespace

bool sameWord(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

tl::unexpected<CniError> bad(const std::string& key, const Json& value, std::string_view expected) {
  std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  return tl::unexpected(CniError{.code = kBadConfig,
                                 .msg = fmt::format("{}: {} is not {}", key, text.substr(0, 100), expected),
                                 .details = ""});
}

const Json* memberOf(const Json& object, std::string_view name) {
  if (!object.is_object()) return nullptr;
  for (const auto& [key, value] : object.items()) {
    if (sameWord(key, name) && !value.is_null()) return &value;
  }
  return nullptr;
}

bool isEmptyText(const Json& value) {
  return value.is_string() && value.get_ref<const std::string&>().empty();
}

CniResult<Json> decodeConfig(std::string_view config) {
  auto undecodable = [](const std::string& why) {
    return tl::unexpected(
        CniError{.code = kUndecodable, .msg = "the network config on stdin " + why, .details = ""});
  };
  if (config.size() > kConfigLimit) return undecodable(fmt::format("is longer than {} bytes", kConfigLimit));
  bool tooDeep = false;
  auto watchDepth = [&tooDeep](int depth, Json::parse_event_t, Json&) {
    tooDeep = tooDeep || depth > kDeepest;
    return !tooDeep;
  };
  Json json = Json::parse(config, watchDepth, false);
  if (tooDeep) return undecodable(fmt::format("is nested deeper than {} levels", kDeepest));
  if (json.is_discarded()) return undecodable("is not JSON in UTF-8");
  if (!json.is_object()) return undecodable("is not a JSON object");
  return withoutDelegate(std::move(json));
}

CniResult<std::string> versionOf(const Json& config) {
  const auto found = config.find("cniVersion");
  if (found == config.end() || found->is_null() || isEmptyText(*found)) return "0.1.0";
  if (!found->is_string()) return bad("cniVersion", *found, "a version as text, such as \"1.0.0\"");
  return found->get<std::string>();
}

CniResult<void> readConfig(const Json& config, std::string_view cniArgs, AttachRequest& request) {
  if (auto supported = refuseUnsupported(config); !supported) return supported;
  if (auto read = readHome(config, request); !read) return read;
  if (auto read = readMode(config, request); !read) return read;
  if (auto read = readMtu(config, request); !read) return read;
  if (auto read = readFlag(config, "isDefaultGateway", request.defaultRoute); !read) return read;
  if (auto read = readFlag(config, "hairpinMode", request.hairpin); !read) return read;
  if (auto read = readFlag(config, "ipMasq", request.ipMasq); !read) return read;
  bool allowSpoofing = false;
  if (auto read = readFlag(config, "allowSpoofing", allowSpoofing); !read) return read;
  request.spoofGuard = !allowSpoofing;
  if (auto read = readBandwidth(config, request); !read) return read;
  // runtimeConfig beats args.cni, which beats CNI_ARGS.
  if (auto read = readArgs(cniArgs, request); !read) return read;
  const Json* args = memberOf(config, "args");
  const Json* cni = args == nullptr ? nullptr : memberOf(*args, "cni");
  if (cni != nullptr) {
    if (auto read = readCapabilities(*cni, "args.cni", request); !read) return read;
  }
  const Json* runtime = memberOf(config, "runtimeConfig");
  if (runtime == nullptr) return {};
  if (auto read = readPortMappings(*runtime, request); !read) return read;
  return readCapabilities(*runtime, "runtimeConfig", request);
}

}  // namespace twill::cni
