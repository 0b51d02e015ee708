// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>

#include "net/address.hpp"

namespace twill {

/// The addresses of one subnet that containers may get, by the rules of the host-local plugin.
struct AddressPool {
  Prefix subnet;
  std::optional<IpAddress> gateway;  ///< never handed out

  /// First and last address that may be handed out: IPv4 leaves out the network's and the broadcast address,
  /// IPv6 the subnet-router anycast address (RFC 4291, 2.6.1). A /32 and a /128 have just the one.
  [[nodiscard]] IpAddress first() const;
  [[nodiscard]] IpAddress last() const;
};

/// Who holds which address.
using TakenAddresses = std::map<IpAddress, std::string>;

/// The next free address after `lastReserved`, going round, so that freed addresses rest as long as they can.
/// Cost: logarithmic in `taken` for each address that has to be skipped. Kind::busy when the subnet is full.
[[nodiscard]] Result<IpAddress> nextAddress(const AddressPool& pool, const TakenAddresses& taken,
                                            const std::optional<IpAddress>& lastReserved);

/// Whether an address that was asked for may be had; the error says by whom it is taken, or which range it is
/// not in.
[[nodiscard]] Result<void> checkAddress(const AddressPool& pool, const TakenAddresses& taken,
                                        const IpAddress& wanted);

}  // namespace twill
