// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "attach/node_network.hpp"
#include "model/attachment.hpp"
#include "plan/diff.hpp"

namespace twill {

/// The parts of the kernel that all attachments of one mode share: the bridge and its gateway addresses, or
/// for the routed mode the address that the node answers for. Owner: "node".
[[nodiscard]] KernelState desiredShared(AttachMode mode, const NodeNetwork& node);

/// What one attachment needs besides: its veth with the container's end and, in routed mode, host routes and
/// permanent neighbours; host ports and spoof guard (firewall.hpp). Owner: the attachment's key.
[[nodiscard]] KernelState desiredAttachment(const Attachment& attachment);

/// What is left of one whose addresses are another node's now: its veth, over which nothing gets out, and
/// nothing that would keep this node's own packets from the other. Owner: the attachment's key.
[[nodiscard]] KernelState desiredQuarantine(const Attachment& attachment);

/// The gateways of an attachment in bridge mode, as addresses of the bridge: those of the node's subnets,
/// which desiredShared() has too, and others that its network may have. Owner: "node".
[[nodiscard]] KernelState desiredGateways(const Attachment& attachment);

/// What lets the node's bridged containers, for whom its whole subnet is on their own link, reach a routed
/// one: the node answers for it on the bridge. Nothing for one in bridge mode. Owner: the attachment's key.
[[nodiscard]] KernelState desiredProxies(const Attachment& attachment);

/// How a host side that is in the kernel is attached; nothing when it is not there or not ours.
struct Place {
  AttachMode mode = AttachMode::bridge;
  std::string bridge;  ///< empty in routed mode
};
[[nodiscard]] std::optional<Place> placeOf(const std::string& hostIfname, const KernelState& actual);

/// Takes out what would remove this host side, anything on it, or its spoof guard: a container whose record
/// says nothing may be alive.
void spare(const std::string& hostIfname, std::vector<Operation>& operations);

}  // namespace twill
