// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "kernel/netlink.hpp"
#include "plan/objects.hpp"

namespace twill::netlink {

/// What one RTM_NEWADDR or RTM_DELADDR says. `address.link` is set by the caller, who knows the names.
struct AddressMessage {
  Address address;
  int index = 0;  ///< ifindex
};

[[nodiscard]] std::optional<AddressMessage> decodeAddress(Bytes payload);

/// The body of RTM_NEWADDR and RTM_DELADDR. IPv6 addresses skip duplicate address detection: who holds an
/// address is decided by the lease, and a tentative address drops a second of traffic. `protocol`: IFA_PROTO,
/// whose address it is.
void encodeAddress(Message& message, const InterfaceAddress& address, int index, std::uint8_t protocol);

}  // namespace twill::netlink
