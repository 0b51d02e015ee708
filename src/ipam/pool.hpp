// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "net/address.hpp"

namespace twill {

/// The addresses of one subnet that containers may get, by the rules of the host-local plugin.
struct AddressPool {
  Prefix subnet;
  std::optional<IpAddress> gateway;  ///< never handed out
  std::optional<IpAddress> from;     ///< bounds, both included; absent: all of the subnet
  std::optional<IpAddress> to;

  /// First and last address that may be handed out: IPv4 leaves out the network's and the broadcast address,
  /// IPv6 the subnet-router anycast address (RFC 4291, 2.6.1). A /32 and a /128 have just the one.
  [[nodiscard]] IpAddress first() const;
  [[nodiscard]] IpAddress last() const;
  [[nodiscard]] bool contains(const IpAddress& address) const {
    return first() <= address && address <= last();
  }
};

/// Who holds which address.
using TakenAddresses = std::map<IpAddress, std::string>;

/// The next free address after `lastReserved`, going round through all pools, so that freed addresses rest as
/// long as they can. Cost: one call of `isTaken` for each address that has to be skipped. Kind::busy when all
/// are full.
[[nodiscard]] Result<IpAddress> nextAddress(std::span<const AddressPool> pools,
                                            const std::function<bool(const IpAddress&)>& isTaken,
                                            const std::optional<IpAddress>& lastReserved);

/// Whether an address that was asked for may be had; the error says by whom it is taken, or which ranges it
/// is not in.
[[nodiscard]] Result<void> checkAddress(std::span<const AddressPool> pools, const TakenAddresses& taken,
                                        const IpAddress& wanted);

/// "172.16.0.1-172.16.0.254, 172.16.1.1-172.16.1.9"
[[nodiscard]] std::string textOf(std::span<const AddressPool> pools);

}  // namespace twill
