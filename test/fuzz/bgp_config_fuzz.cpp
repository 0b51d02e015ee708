// SPDX-License-Identifier: Apache-2.0
// A net-conf.json of any bytes is an error or a config that is in order, and what is written of it for BIRD
// holds nothing of its texts but in quotes. After a NUL come the password, and after another one the name of
// an operator's file.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>

#include "datastore/bgp/bird_config.hpp"
#include "datastore/bgp/record.hpp"

using namespace twill;
using namespace twill::bgp;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

std::string_view takePart(std::string_view& bytes) {
  const auto end = std::min(bytes.find('\0'), bytes.size());
  const auto part = bytes.substr(0, end);
  bytes.remove_prefix(std::min(end + 1, bytes.size()));
  return part;
}

void checkInOrder(const BgpConfig& config) {
  require(config.as != 0 && config.port != 0 && config.echoPort != 0);
  require(config.holdSeconds >= 3 && config.restartSeconds >= 10 && config.hops >= 0 && config.hops < 255);
  std::set<IpAddress> addresses;
  for (const auto& node : config.nodes) {
    require(addresses.insert(node.address).second && !node.address.isLoopback());
    require(config.node({}, node.address) == &node);
  }
  for (const auto& peer : config.peers)
    require(peer.as != 0 && peer.port != 0 && peer.hops > 0 && peer.hops < 256);
  for (const auto& community : config.communities) require(communityText(community).has_value());
}

/// Every string of the text is one of `strings`, and outside of them is nothing that nobody wrote there.
void checkText(std::string_view text, const std::set<std::string, std::less<>>& strings) {
  constexpr std::string_view kPunctuation = "_ \n{}[]();:.,/=!~*+|&<>-";
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      const auto end = text.find('"', i + 1);
      require(end != std::string_view::npos);
      const auto inside = text.substr(i + 1, end - i - 1);
      require(strings.contains(inside) && inside.find('\n') == std::string_view::npos);
      i = end;
    } else if (c == '#') {
      i = text.find('\n', i);
    } else {
      require((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              kPunctuation.find(c) != std::string_view::npos);
      depth += c == '{' ? 1 : c == '}' ? -1 : 0;
      require(depth >= 0);
    }
  }
  require(depth == 0);
}

void checkWritten(const BgpConfig& config, const NetworkConfig& network, const IpAddress& address,
                  std::string_view password, std::string_view file) {
  BirdSettings settings{.config = config,
                        .network = network,
                        .node = config.nodes.empty() ? "node1" : config.nodes.front().name,
                        .address = address,
                        .other = IpAddress::parse(address.isV4() ? "fd00::10" : "10.0.0.10").value(),
                        .record = R"({"PublicIP":"10.0.0.10"})",
                        .passwords = {{config.passwordFile, std::string(password)}},
                        .customFiles = {}};
  for (const auto& peer : config.peers) settings.passwords[peer.passwordFile] = password;
  if (!file.empty()) settings.customFiles[std::string(file)] = password;
  const auto text = birdConfig(settings);
  if (!text) return require(!text.error().text.empty());
  std::set<std::string, std::less<>> strings{"twill-bgp", "tw_n*", std::string(password), std::string(file)};
  for (std::size_t i = 1; i <= config.nodePrefixes.size(); ++i)
    strings.insert("tw_n_r" + std::to_string(i) + "_");
  checkText(*text, strings);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto json = takePart(bytes);
  const auto password = takePart(bytes);
  const auto file = takePart(bytes);
  const auto config = parseBgpConfig(json);
  if (!config) {
    require(!config.error().text.empty() && config.error().text.size() < 2000);
    return 0;
  }
  checkInOrder(*config);
  auto network = parseNetworkConfig(json);
  if (!network)
    network = parseNetworkConfig(
        R"({"Network":"10.244.0.0/16","EnableIPv6":true,"IPv6Network":"fd44::/48","Backend":{"Type":"ipip"}})");
  for (const char* address : {"10.0.0.10", "fd00::10"})
    checkWritten(*config, *network, IpAddress::parse(address).value(), password, file);
  return 0;
}
