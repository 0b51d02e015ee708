// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "kernel/netlink.hpp"
#include "plan/objects.hpp"

namespace twill::netlink {

/// What one RTM_NEWNEIGH or RTM_DELNEIGH says. `neighbour.link` is set by the caller, who knows the names.
struct NeighbourMessage {
  Neighbour neighbour;
  int index = 0;           ///< ifindex
  bool permanent = false;  ///< or a proxy entry; others come and go by themselves and are nobody's
};

/// IPv4 and IPv6 neighbours and proxy entries; nothing for a bridge's forwarding entries.
[[nodiscard]] std::optional<NeighbourMessage> decodeNeighbour(Bytes payload);

/// What one RTM_NEWNEIGH or RTM_DELNEIGH of a VXLAN device says. `entry.link` is set by the caller.
struct ForwardingMessage {
  ForwardingEntry entry;
  int index = 0;           ///< ifindex
  bool permanent = false;  ///< others were learned
};

/// Entries that lead to a node; nothing for a bridge's own.
[[nodiscard]] std::optional<ForwardingMessage> decodeForwarding(Bytes payload);

/// The body of RTM_GETNEIGH for the entries of one device.
void encodeForwardingFilter(Message& message, int index);
/// The body of RTM_NEWNEIGH and of RTM_DELNEIGH.
void encodeForwarding(Message& message, const ForwardingEntry& entry, int index);

/// The body of RTM_NEWNEIGH.
void encodeNeighbour(Message& message, const Neighbour& neighbour, int index);
/// The body of RTM_DELNEIGH.
void encodeDeleteNeighbour(Message& message, const Neighbour& neighbour, int index);

}  // namespace twill::netlink
