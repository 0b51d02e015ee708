// SPDX-License-Identifier: Apache-2.0
#include "ipam/pool.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace twill {

IpAddress AddressPool::first() const {
  const IpAddress natural = subnet.size() > 2 ? subnet.address().plus(1) : subnet.address();
  return from ? std::max(*from, natural) : natural;
}

IpAddress AddressPool::last() const {
  const bool hasBroadcast = subnet.isV4() && subnet.size() > 2;
  const IpAddress natural = hasBroadcast ? subnet.address().plus(subnet.size() - 2) : subnet.last();
  return to ? std::min(*to, natural) : natural;
}

std::string textOf(std::span<const AddressPool> pools) {
  std::string out;
  for (const AddressPool& pool : pools) {
    out += fmt::format("{}{}-{}", out.empty() ? "" : ", ", pool.first().text(), pool.last().text());
  }
  return out;
}

Result<IpAddress> nextAddress(std::span<const AddressPool> pools,
                              const std::function<bool(const IpAddress&)>& isTaken,
                              const std::optional<IpAddress>& lastReserved) {
  const auto search = [&](const AddressPool& pool, const IpAddress& from,
                          const IpAddress& to) -> std::optional<IpAddress> {
    for (IpAddress candidate = from; candidate <= to; candidate = candidate.plus(1)) {
      if (candidate != pool.gateway && !isTaken(candidate)) return candidate;
      if (candidate == to) break;  // the last address there is has no successor
    }
    return std::nullopt;
  };
  const auto holds = [&](const AddressPool& pool) { return lastReserved && pool.contains(*lastReserved); };
  const auto start = std::find_if(pools.begin(), pools.end(), holds);
  // First what comes after the last one, then the other pools in turn, at last what comes before it.
  if (start != pools.end() && *lastReserved < start->last()) {
    if (auto found = search(*start, lastReserved->plus(1), start->last())) return *found;
  }
  const auto turn = start == pools.end() ? pools.begin() : start + 1;
  for (auto pool = turn; pool != pools.end(); ++pool) {
    if (auto found = search(*pool, pool->first(), pool->last())) return *found;
  }
  for (auto pool = pools.begin(); pool != turn; ++pool) {
    if (auto found = search(*pool, pool->first(), pool->last())) return *found;
  }
  return fail(fmt::format("no IP addresses available in range {}: all are taken", textOf(pools)),
              Error::Kind::busy);
}

Result<void> checkAddress(std::span<const AddressPool> pools, const TakenAddresses& taken,
                          const IpAddress& wanted) {
  const auto pool =
      std::find_if(pools.begin(), pools.end(), [&](const AddressPool& one) { return one.contains(wanted); });
  if (pool == pools.end()) {
    return fail(fmt::format("requested address {} is not in range {}", wanted.text(), textOf(pools)),
                Error::Kind::invalid);
  }
  if (wanted == pool->gateway) {
    return fail(fmt::format("requested address {} is the gateway's", wanted.text()), Error::Kind::exists);
  }
  if (auto holder = taken.find(wanted); holder != taken.end()) {
    return fail(fmt::format("requested address {} is taken by {}", wanted.text(), holder->second),
                Error::Kind::exists);
  }
  return {};
}

}  // namespace twill
