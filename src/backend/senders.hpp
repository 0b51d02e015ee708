// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.hpp"

namespace twill {

/// A tunnel that takes Ethernet frames out of UDP datagrams.
struct TunnelPort {
  Family family;       ///< of outer and inner packets alike
  std::uint16_t port;  ///< where it listens
  int headers;         ///< bytes between the UDP header and the inner packet
};

/// Lets nobody but peers into the tunnel, each with packets from its own subnet and address alone. What
/// others send is dropped before the tunnel sees it, and counted by the table's counters. Nor do containers
/// of this node get to the tunnel's port outside of the network, which has to have that family.
void admitPeers(const TunnelPort& tunnel, const Cluster& cluster, const Self& self, KernelState& out);

}  // namespace twill
