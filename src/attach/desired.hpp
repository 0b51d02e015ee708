// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "attach/node_network.hpp"
#include "model/attachment.hpp"
#include "plan/state.hpp"

namespace twill {

/// The parts of the kernel that all attachments of one mode share: the bridge and its gateway addresses, or
/// for the routed mode the address that the node answers for. Owner: "node".
[[nodiscard]] KernelState desiredShared(AttachMode mode, const NodeNetwork& node);

/// What one attachment needs besides: its veth with the container's end and, in routed mode, host routes and
/// permanent neighbours. Owner: the attachment's key.
[[nodiscard]] KernelState desiredAttachment(const Attachment& attachment);

}  // namespace twill
