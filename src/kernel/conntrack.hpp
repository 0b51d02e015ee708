// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <set>

#include "base/result.hpp"
#include "net/address.hpp"

namespace twill {

/// Takes UDP flows whose first packet went to one of `ports` at one of `addresses` out of the connection
/// tracking of the calling thread's network namespace. Costs a dump of all flows. Those that are gone
/// meanwhile are no error; a kernel without connection tracking's netlink (nf_conntrack_netlink) or a missing
/// CAP_NET_ADMIN is, with the kernel's errno.
[[nodiscard]] Result<void> forgetUdpFlows(const std::set<IpAddress>& addresses,
                                          const std::set<std::uint16_t>& ports);

}  // namespace twill
