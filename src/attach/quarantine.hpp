// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "attach/node_network.hpp"
#include "model/attachment.hpp"
#include "model/cluster.hpp"

namespace twill {

/// The name of the lease of another node that has one of the attachment's addresses, so that two containers
/// may have it; empty when there is none. What `node` itself holds is its own, whatever others say. Pure.
/// Cost: nothing while the node holds the addresses, else linear in the leases.
[[nodiscard]] std::string holderOf(const Attachment& attachment, const NodeNetwork& node,
                                   const std::vector<Lease>& leases);

}  // namespace twill
