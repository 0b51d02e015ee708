// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.hpp"

namespace twill {

/// A tunnel over UDP.
struct TunnelPort {
  Family family = Family::v4;  ///< of outer and inner packets alike
  std::uint16_t port = 0;      ///< where it listens
  int headers = 0;             ///< bytes between the UDP header and the inner packet
  std::uint32_t vni = 0;       ///< of VXLAN: tells networks at one port apart
};

/// Who may send through a tunnel.
struct Sender {
  IpAddress outer;    ///< the node's, on the underlay
  Prefix inner;       ///< sources inside that are the node's own
  std::string owner;  ///< the lease
};

/// Where a packet says who has sent it, and the sets to look that up in.
struct SenderFields {
  const char* sets = nullptr;  ///< what their names start with
  Family outer = Family::v4, inner = Family::v4;
  int source = 0;  ///< bits from the end of the outer IP header to the inner source
};

/// Adds rules to `chain` of `table` that accept what `senders` send; `arriving` is what each starts with. The
/// sets go to `table`, their elements to `out`. There is a set and a rule for each length of a prefix: under
/// a mask of that length a hash finds it, whose elements need no libnftables (kernel/set_elements.hpp).
void admitSenders(const SenderFields& fields, const std::vector<Sender>& senders, const std::string& arriving,
                  Firewall& table, Firewall::Chain& chain, KernelState& out);

/// Lets nobody but peers into the tunnel, each with packets from its own subnet and address alone. What
/// others send is dropped before the tunnel sees it, and counted by the table's counters. For tunnels with
/// Ethernet frames inside.
void admitPeers(const TunnelPort& tunnel, const Cluster& cluster, const Self& self, KernelState& out);

/// Keeps this node's containers from the tunnel's port outside of the network, which has to have that family:
/// masqueraded, and at an address of a peer that no lease names, what they send would look like this node's.
/// Towards other containers the port is theirs.
void keepContainersOut(const TunnelPort& tunnel, const Cluster& cluster, const Self& self, KernelState& out);

}  // namespace twill
