// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/slots/slots.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace twill::gossip {
namespace {

std::uint64_t firstOf(const FamilyConfig& config) {
  return config.network.indexOf(config.subnetMin);
}

std::uint64_t countOf(const FamilyConfig& config) {
  return config.network.indexOf(config.subnetMax) - firstOf(config) + 1;
}

Prefix subnetOf(const FamilyConfig& config, std::uint32_t slot) {
  return config.network.subnet(config.subnetLength, firstOf(config) + slot);
}

std::string textOf(const FamilyConfig& config) {
  return fmt::format("{} in /{} from {} to {}", config.network.text(), config.subnetLength,
                     config.subnetMin.address().text(), config.subnetMax.address().text());
}

}  // namespace

std::uint32_t slotCount(const NetworkConfig& network) {
  std::uint64_t count = kMostSlots;
  if (network.v4) count = std::min(count, countOf(*network.v4));
  if (network.v6) count = std::min(count, countOf(*network.v6));
  return static_cast<std::uint32_t>(count);
}

SlotSubnets subnetsOf(const NetworkConfig& network, std::uint32_t slot) {
  SlotSubnets subnets;
  if (network.v4) subnets.v4 = subnetOf(*network.v4, slot);
  if (network.v6) subnets.v6 = subnetOf(*network.v6, slot);
  return subnets;
}

Result<std::uint32_t> slotOfAddress(const IpAddress& address, const Prefix& underlay, std::uint32_t slots) {
  if (!address.isV4() || !underlay.isV4() || !underlay.contains(address)) {
    return fail(fmt::format("a slot follows from an IPv4 address in its underlay; {} in {} is none",
                            address.text(), underlay.text()),
                Error::Kind::invalid);
  }
  // A /31 or /32 has neither a network address nor a broadcast address (RFC 3021).
  const bool hasEnds = underlay.length() <= 30;
  if (hasEnds && (address == underlay.address() || address == underlay.last())) {
    return fail(fmt::format("{} is the first or last address of {}, which no node has", address.text(),
                            underlay.text()),
                Error::Kind::invalid);
  }
  const std::uint64_t highest = underlay.size() - (hasEnds ? 2 : 1);
  if (highest >= slots) {
    return fail(fmt::format("the underlay {} needs {} slots, one for each address, and the pool has {}; "
                            "make the pool larger, or let nodes ask each other for slots",
                            underlay.text(), highest + 1, slots),
                Error::Kind::invalid);
  }
  return address.v4() - underlay.address().v4();
}

bool samePool(const NetworkConfig& one, const NetworkConfig& other) {
  return one.v4 == other.v4 && one.v6 == other.v6;
}

std::string poolText(const NetworkConfig& network) {
  if (!network.v6) return textOf(*network.v4);
  if (!network.v4) return textOf(*network.v6);
  return textOf(*network.v4) + " and " + textOf(*network.v6);
}

}  // namespace twill::gossip
