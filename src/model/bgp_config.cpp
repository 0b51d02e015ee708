// SPDX-License-Identifier: Apache-2.0
#include "model/bgp_config.hpp"

#include <algorithm>
#include <charconv>
#include <functional>
#include <limits>

#include <fmt/format.h>

#include "model/json_read.hpp"

namespace twill {
namespace {

constexpr std::size_t kLongestText = 1U << 20U;
constexpr std::int64_t kLargestAs = std::numeric_limits<std::uint32_t>::max() - 1;  // RFC 7300
constexpr std::int64_t kWord = std::numeric_limits<std::uint16_t>::max();
/// A full mesh of more than this is what reflectors are for.
constexpr std::size_t kMostEntries = 10000;

using Reader = std::function<Result<void>(std::string_view key, json::Value value)>;

struct Key {
  std::string_view name;
  Reader read;
};

/// Every key of `object` must be one of `keys`.
Result<void> readKeys(json::Object object, const std::vector<Key>& keys) {
  for (const auto& field : object) {
    const auto known = std::find_if(keys.begin(), keys.end(),
                                    [&](const Key& key) { return json::sameKey(key.name, field.key); });
    if (known == keys.end()) {
      std::string names;
      for (const Key& key : keys) names += (names.empty() ? "" : ", ") + std::string(key.name);
      return fail(fmt::format("{} is no key here; there are {}", field.key, names), Error::Kind::invalid);
    }
    TWILL_CHECK(known->read(known->name, field.value));
  }
  return {};
}

template <class Number>
Reader number(Number& out, std::int64_t low, std::int64_t high) {
  return [&out, low, high](std::string_view key, json::Value value) -> Result<void> {
    TWILL_TRY(const std::int64_t read, json::number(key, value, low, high));
    out = static_cast<Number>(read);
    return {};
  };
}

Reader flag(bool& out) {
  return [&out](std::string_view key, json::Value value) -> Result<void> {
    TWILL_TRY(out, json::boolean(key, value));
    return {};
  };
}

Reader name(std::string& out) {
  return [&out](std::string_view key, json::Value value) -> Result<void> {
    TWILL_TRY(const std::string_view text, json::name(key, value));
    out = text;
    return {};
  };
}

/// The file itself is read by the node that needs it.
Reader path(std::string& out) {
  return [&out](std::string_view key, json::Value value) -> Result<void> {
    TWILL_TRY(const std::string_view text, json::name(key, value));
    if (!text.starts_with('/')) return json::unexpected(key, value, "an absolute path");
    out = text;
    return {};
  };
}

Reader address(IpAddress& out) {
  return [&out](std::string_view key, json::Value value) -> Result<void> {
    constexpr std::string_view kExpected = "the address of a node or router";
    TWILL_TRY(const std::string_view text, json::text(key, value));
    auto parsed = IpAddress::parse(text);
    if (!parsed) return json::unexpected(key, value, kExpected, parsed.error());
    if (parsed->isUnspecified() || parsed->isLoopback() || parsed->isMulticast() || parsed->isLinkLocal())
      return json::unexpected(key, value, kExpected);
    out = *parsed;
    return {};
  };
}

/// `one` reads an element and adds it to what it belongs to.
Reader list(Reader one) {
  return [one = std::move(one)](std::string_view key, json::Value value) -> Result<void> {
    simdjson::dom::array elements;
    if (value.get(elements) != simdjson::SUCCESS) return json::unexpected(key, value, "an array");
    if (elements.size() > kMostEntries) return json::unexpected(key, value, "at most 10000 entries");
    for (const json::Value element : elements) TWILL_CHECK(one(key, element));
    return {};
  };
}

Reader prefixes(std::vector<Prefix>& out) {
  return list([&out](std::string_view key, json::Value value) -> Result<void> {
    TWILL_TRY(const std::string_view text, json::text(key, value));
    auto parsed = Prefix::parse(text);
    if (!parsed) return json::unexpected(key, value, "a prefix such as \"10.244.0.0/16\"", parsed.error());
    out.push_back(*parsed);
    return {};
  });
}

Reader names(std::vector<std::string>& out) {
  return list([&out](std::string_view key, json::Value value) -> Result<void> {
    TWILL_TRY(const std::string_view text, json::name(key, value));
    out.emplace_back(text);
    return {};
  });
}

Reader communities(std::vector<std::string>& out) {
  return list([&out](std::string_view key, json::Value value) -> Result<void> {
    TWILL_TRY(const std::string_view text, json::text(key, value));
    if (const auto community = communityText(text); !community)
      return json::unexpected(key, value, "a community such as \"64512:100\" or \"64512:1:2\"");
    out.emplace_back(text);
    return {};
  });
}

/// "10.0.0.10", or an object that says more.
Result<void> readNode(std::string_view key, json::Value value, BgpConfig& config) {
  BgpConfig::Node node;
  if (value.is_string()) {
    TWILL_CHECK(address(node.address)(key, value));
  } else {
    TWILL_TRY(const json::Object object, json::object(key, value));
    TWILL_CHECK(readKeys(object, {{"Name", name(node.name)},
                                  {"Address", address(node.address)},
                                  {"AS", number(node.as, 1, kLargestAs)},
                                  {"Reflector", flag(node.reflector)}}));
    if (node.address.isUnspecified())
      return fail(fmt::format("{}: an entry has no Address", key), Error::Kind::invalid);
  }
  for (const auto& other : config.nodes) {
    if (other.address == node.address || (!node.name.empty() && other.name == node.name))
      return fail(fmt::format("{}: {} {} is there twice", key, node.name, node.address.text()),
                  Error::Kind::invalid);
  }
  config.nodes.push_back(std::move(node));
  return {};
}

Result<void> readPeer(std::string_view key, json::Value value, BgpConfig& config) {
  BgpConfig::Peer peer;
  TWILL_TRY(const json::Object object, json::object(key, value));
  TWILL_CHECK(readKeys(object, {{"Address", address(peer.address)},
                                {"AS", number(peer.as, 1, kLargestAs)},
                                {"Port", number(peer.port, 1, kWord)},
                                {"PasswordFile", path(peer.passwordFile)},
                                {"Nodes", names(peer.nodes)},
                                {"Hops", number(peer.hops, 1, 255)},
                                {"TTLSecurity", flag(peer.ttlSecurity)},
                                {"WholeCluster", flag(peer.wholeCluster)},
                                {"Import", prefixes(peer.imports)},
                                {"Export", prefixes(peer.exports)},
                                {"Communities", communities(peer.communities)}}));
  if (peer.address.isUnspecified() || peer.as == 0)
    return fail(fmt::format("{}: an entry needs Address and AS", key), Error::Kind::invalid);
  config.peers.push_back(std::move(peer));
  return {};
}

Result<void> check(const BgpConfig& config) {
  for (const auto& node : config.nodes) {
    if (node.reflector && node.as != 0 && node.as != config.as) {
      return fail(fmt::format("Nodes: {} is a reflector and in AS {}; reflectors are in the cluster's, {}",
                              node.address.text(), node.as, config.as),
                  Error::Kind::invalid);
    }
  }
  if (!config.nodePrefixes.empty() && !config.hasReflectors()) {
    return fail("NodePrefixes is for reflectors, and none of Nodes is one (\"Reflector\": true)",
                Error::Kind::invalid);
  }
  return {};
}

Result<std::uint32_t> communityPart(std::string_view text, std::uint32_t most) {
  std::uint32_t part = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), part);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size() || part > most)
    return fail(fmt::format("'{}' is no number up to {}", text, most), Error::Kind::invalid);
  return part;
}

}  // namespace

const BgpConfig::Node* BgpConfig::node(std::string_view name, const std::optional<IpAddress>& address) const {
  const auto isNamed = [name](const Node& node) { return !name.empty() && node.name == name; };
  const auto named = std::find_if(nodes.begin(), nodes.end(), isNamed);
  if (named != nodes.end()) return &*named;
  const auto at = std::find_if(nodes.begin(), nodes.end(),
                               [&](const Node& node) { return address && node.address == *address; });
  return at != nodes.end() && (at->name.empty() || name.empty()) ? &*at : nullptr;
}

bool BgpConfig::hasReflectors() const {
  return std::any_of(nodes.begin(), nodes.end(), [](const Node& node) { return node.reflector; });
}

Result<std::string> communityText(std::string_view text) {
  std::vector<std::string_view> parts;
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t end = std::min(text.find(':', from), text.size());
    parts.push_back(text.substr(from, end - from));
    from = end + 1;
  }
  if (parts.size() != 2 && parts.size() != 3)
    return fail(fmt::format("'{}' is no community", text), Error::Kind::invalid);
  const std::uint32_t most = parts.size() == 2 ? 0xffff : 0xffffffff;
  std::string out;
  for (const auto part : parts) {
    TWILL_TRY(const std::uint32_t number, communityPart(part, most));
    out += fmt::format("{}{}", out.empty() ? "(" : ", ", number);
  }
  return out + ")";
}

Result<BgpConfig> parseBgpConfig(std::string_view netConf) {
  simdjson::dom::parser parser;
  TWILL_TRY(json::Value value, json::parse(parser, netConf, kLongestText));
  TWILL_TRY(json::Object root, json::object("the network config", value));
  BgpConfig config;
  const auto found = json::find(root, "BGP");
  if (!found) return config;
  const auto nodes = [&config](std::string_view key, json::Value one) { return readNode(key, one, config); };
  const auto peers = [&config](std::string_view key, json::Value one) { return readPeer(key, one, config); };
  auto read = [&]() -> Result<void> {
    TWILL_TRY(const json::Object object, json::object("the value", *found));
    TWILL_CHECK(
        readKeys(object, {{"AS", number(config.as, 1, kLargestAs)},
                          {"Port", number(config.port, 1, kWord)},
                          {"EchoPort", number(config.echoPort, 1, kWord)},
                          {"Nodes", list(nodes)},
                          {"NodePrefixes", prefixes(config.nodePrefixes)},
                          {"Peers", list(peers)},
                          {"PasswordFile", path(config.passwordFile)},
                          {"HoldTime", number(config.holdSeconds, 3, kWord)},        // RFC 4271
                          {"RestartTime", number(config.restartSeconds, 10, 4095)},  // RFC 4724: 12 bits
                          {"TTLSecurity", number(config.hops, 0, 254)},
                          {"Import", prefixes(config.imports)},
                          {"Export", prefixes(config.exports)},
                          {"Communities", communities(config.communities)}}));
    return check(config);
  }();
  if (!read) return Failure(std::move(read).error().in("BGP"));
  return config;
}

}  // namespace twill
