// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "kernel/netlink.hpp"
#include "plan/objects.hpp"

namespace twill::netlink {

/// What one RTM_NEWLINK or RTM_DELLINK says. `link.master` is set by the caller, who knows the names.
struct LinkMessage {
  Link link;
  int master = 0;     ///< ifindex of the bridge, 0 for none
  int peerIndex = 0;  ///< IFLA_LINK: a veth's other end, in its own namespace
  int underlay = 0;   ///< ifindex of link.vxlan->underlay, whose name is set by the caller
  /// From the bridge (AF_BRIDGE): only link.index and link.hairpin count, and RTM_DELLINK means that the link
  /// is a port no longer.
  bool fromBridge = false;
};

[[nodiscard]] std::optional<LinkMessage> decodeLink(Bytes payload);

/// Longest name of an interface (IFNAMSIZ less the NUL), and the same rules as the kernel's dev_valid_name().
[[nodiscard]] Result<void> checkLinkName(std::string_view name);

/// RTM_NEWLINK that makes a bridge, with MAC and MTU. Its alias takes encodeLinkSettings(): the kernel
/// ignores IFLA_IFALIAS when it makes a link.
void encodeNewBridge(Message& message, const Link& link);

/// RTM_NEWLINK that makes a VXLAN device, with MAC and MTU. `underlay`: ifindex of link.vxlan->underlay.
void encodeNewVxlan(Message& message, const Link& link, int underlay);

/// RTM_NEWLINK that makes an ipip or sit device, with its MTU.
void encodeNewIpTunnel(Message& message, const Link& link);

/// RTM_NEWLINK for an ipip or sit device as no driver makes one: it answers EINVAL before anything is made,
/// and a kernel without the driver EOPNOTSUPP.
void encodeImpossibleIpTunnel(Message& message, LinkKind kind);

/// RTM_NEWLINK that makes a veth, with its peer straight in the namespace `peerNetns`: a peer that is moved
/// there instead costs an RCU grace period. `master` 0: none.
void encodeNewVeth(Message& message, const Link& link, int master, int peerNetns);

/// RTM_NEWLINK without NLM_F_CREATE: alias, MTU, MAC, master and up or down of the link with this name, as
/// far as wanted. `master`: ifindex of link.master, when that is wanted.
void encodeLinkSettings(Message& message, const Link& link, std::optional<int> master);
void encodeLinkUp(Message& message, int index);
/// The kernel gives the link no IPv6 address of its own: nobody talks to the node's end of a veth, and each
/// address is half a dozen notifications. An error where there is no IPv6.
void encodeNoLinkLocal(Message& message, std::string_view name);
/// RTM_SETLINK to the bridge: whether frames may leave through the port that they came in by.
void encodeHairpin(Message& message, int index, bool on);

/// RTM_NEWLINK without NLM_F_CREATE: whatever the link sends has at most `mtu` bytes (IP header and what
/// follows). What the stack hands it in larger pieces (GSO), it cuts before.
void encodeNoGso(Message& message, std::string_view name, int mtu);

void encodeLinkGroup(Message& message, std::string_view name, std::uint32_t group);
void encodeDeleteLink(Message& message, std::string_view name);
void encodeDeleteLinkGroup(Message& message, std::uint32_t group);

/// The body of RTM_GETLINK for one link.
void encodeGetLink(Message& message, std::string_view name);
/// The body of RTM_GETLINK for a dump, without statistics.
void encodeLinkFilter(Message& message);

}  // namespace twill::netlink
