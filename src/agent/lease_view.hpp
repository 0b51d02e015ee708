// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "datastore/administration.hpp"
#include "model/cluster.hpp"

namespace twill {

/// A lease as /v1/leases and /v1/nodes show it. `tenure`: null where nobody knows for how long it is.
[[nodiscard]] nlohmann::ordered_json leaseView(const Lease& lease, const Administration::Tenure* tenure);

}  // namespace twill
