// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "model/cluster.hpp"

/// Leases where the store itself says which subnets are whose, and the nodes the rest. Private to this room.
namespace twill {

/// A lease without its subnets, as one line of JSON.
[[nodiscard]] std::string toData(const Lease& lease);
/// The lease of such data; the subnets are these, whatever the data says.
[[nodiscard]] Result<Lease> leaseFrom(const std::string& data, const std::optional<Prefix>& subnet,
                                      const std::optional<Prefix>& subnet6);

}  // namespace twill
