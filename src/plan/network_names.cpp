// SPDX-License-Identifier: Apache-2.0
#include "plan/network_names.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "base/fnv.hpp"
#include "plan/objects.hpp"

namespace twill {
namespace {

constexpr std::size_t kLongestName = 32;
/// What is left of a link's name (IFNAMSIZ) behind "twill0-" and "tw-udp-".
constexpr std::size_t kLongestInLink = 8;
constexpr const char* kBridge = "twill0";
constexpr std::uint32_t kFirstTable = 11600000;
constexpr std::uint32_t kTables = 1U << 16U;

std::string inLink(std::string_view network) {
  if (network.size() <= kLongestInLink) return std::string(network);
  return fmt::format("{:08x}", fnv1a(network) & 0xffffffffU);
}

}  // namespace

Result<void> checkNetworkName(std::string_view name) {
  const auto fits = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_'; };
  if (!name.empty() && name.size() <= kLongestName && std::all_of(name.begin(), name.end(), fits)) return {};
  return fail(fmt::format("'{}' is no name for a network: 1 to {} letters, digits, '-' and '_'",
                          name.substr(0, 100), kLongestName),
              Error::Kind::invalid);
}

std::string bridgeOf(std::string_view network) {
  return network.empty() ? kBridge : fmt::format("{}-{}", kBridge, inLink(network));
}

bool isBridgeName(std::string_view link) {
  return link == kBridge || link.starts_with(std::string(kBridge) + "-");
}

std::string tunOf(std::string_view network) {
  return network.empty() ? "twill-udp" : "tw-udp-" + inLink(network);
}

std::string tableOf(std::string_view network) {
  return network.empty() ? kTable : fmt::format("{}_{}", kTable, network);
}

bool isTableName(std::string_view table) {
  return table == kTable || table == kBridgeTable || table.starts_with(std::string(kTable) + "_");
}

std::uint32_t routingTableOf(std::string_view network) {
  return network.empty() ? kRoutingTable : kFirstTable + static_cast<std::uint32_t>(fnv1a(network) % kTables);
}

bool isRoutingTable(std::uint32_t table) {
  return table == kRoutingTable || (table >= kFirstTable && table < kFirstTable + kTables);
}

}  // namespace twill
