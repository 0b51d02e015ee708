// SPDX-License-Identifier: Apache-2.0
#include "ipam/pool.hpp"

#include <fmt/format.h>

namespace twill {

IpAddress AddressPool::first() const {
  return subnet.size() > 2 ? subnet.address().plus(1) : subnet.address();
}

IpAddress AddressPool::last() const {
  if (!subnet.isV4() || subnet.size() <= 2) return subnet.last();
  return subnet.address().plus(subnet.size() - 2);
}

Result<IpAddress> nextAddress(const AddressPool& pool, const TakenAddresses& taken,
                              const std::optional<IpAddress>& lastReserved) {
  IpAddress first = pool.first();
  IpAddress last = pool.last();
  bool goOn = lastReserved && first <= *lastReserved && *lastReserved < last;
  IpAddress start = goOn ? lastReserved->plus(1) : first;
  IpAddress candidate = start;
  do {
    if (candidate != pool.gateway && !taken.contains(candidate)) return candidate;
    candidate = candidate == last ? first : candidate.plus(1);
  } while (candidate != start);
  return fail(
      fmt::format("no IP addresses available in range {}-{}: all are taken", first.text(), last.text()),
      Error::Kind::busy);
}

Result<void> checkAddress(const AddressPool& pool, const TakenAddresses& taken, const IpAddress& wanted) {
  if (wanted < pool.first() || pool.last() < wanted) {
    return fail(fmt::format("requested address {} is not in this node's range {}-{}", wanted.text(),
                            pool.first().text(), pool.last().text()),
                Error::Kind::invalid);
  }
  if (wanted == pool.gateway) {
    return fail(fmt::format("requested address {} is the gateway's", wanted.text()), Error::Kind::exists);
  }
  if (auto holder = taken.find(wanted); holder != taken.end()) {
    return fail(fmt::format("requested address {} is taken by {}", wanted.text(), holder->second),
                Error::Kind::exists);
  }
  return {};
}

}  // namespace twill
