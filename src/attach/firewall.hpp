// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/attachment.hpp"
#include "plan/state.hpp"

namespace twill {

/// What an attachment needs of nftables: chains and sets of Twill's tables (owner: "node"), which are the
/// same for all attachments, and its own elements in those sets (owner: its key).
///
/// Host ports are maps in `inet twill`, looked up before routing. The source of a connection is kept but
/// where the answer would not come back this way: from 127.0.0.1, and from a neighbour on the bridge or the
/// container itself.
///
/// The spoof guard is in `bridge twill` for ports of the bridge, in `inet twill` for routed containers: what
/// does not come from the container's own MAC and addresses is dropped, as are router advertisements,
/// redirects and neighbour advertisements of addresses that are not its own. Link-local IPv6 addresses, which
/// the container chooses itself, are its own but for the gateway's.
///
/// Addresses that only this node knows may be masqueraded.
void addFirewall(const Attachment& attachment, KernelState& out);

/// The spoof guard of an attachment that has no address of its own any more: everything is dropped.
void addQuarantine(const Attachment& attachment, KernelState& out);

/// Adds the chains and sets that guard a host side of which nothing else is known.
void keepGuard(const std::string& hostIfname, const KernelState& actual, KernelState& out);

/// True for what is there for the spoof guard's sake: its elements, and a table that has it.
[[nodiscard]] bool isGuard(const Object& object);

/// Takes everything out that is the spoof guard's: for a kernel that cannot have it.
void withoutGuard(KernelState& state);

}  // namespace twill
