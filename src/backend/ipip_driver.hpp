// SPDX-License-Identifier: Apache-2.0
// ipip by the kernel's own drivers: `ipip` for IPv4 packets, `sit` for IPv6 ones, each with one device that
// goes to whichever node a route's next hop names.
#pragma once

#include "backend/backend.hpp"

namespace twill {

/// The device that packets of that family go by.
[[nodiscard]] const char* ipipDriverDevice(Family inner);

/// The next hop that makes the driver send to `node`, an IPv4 address: itself, or as ::10.0.1.30 (RFC
/// 4213, 3.1).
[[nodiscard]] IpAddress ipipNextHop(Family inner, const IpAddress& node);

/// The device for one family. It takes packets in from whoever is let in.
void addIpipDriver(Family inner, int mtu, const Self& self, KernelState& out);

/// Lets nobody but peers in, each with packets from its own subnet and address alone, and for this node's
/// alone. What is for somebody else's tunnel on this node is left alone. Others' packets are dropped and
/// counted by the table's counters.
void admitIpipPeers(Family inner, const Cluster& cluster, const Self& self, KernelState& out);

}  // namespace twill
