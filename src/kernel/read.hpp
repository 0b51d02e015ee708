// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/kernel.hpp"
#include "kernel/mirror.hpp"
#include "kernel/netlink.hpp"
#include "kernel/route.hpp"

namespace twill {

/// All of a KernelState that rtnetlink knows: links, addresses, neighbours, forwarding entries, routes and
/// rules.
[[nodiscard]] Result<KernelState> readState(netlink::Socket& socket, Mirror& mirror,
                                            const Interest& interest);

/// Asks for what the messages about VXLAN devices of ours do not say. True when that made a difference.
bool readOffloads(Mirror& mirror, KernelState& state);

/// Every unicast route, of all tables.
[[nodiscard]] Result<std::vector<netlink::RouteMessage>> readEveryTable(netlink::Socket& socket);

}  // namespace twill
