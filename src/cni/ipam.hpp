// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "cni/call.hpp"

namespace twill::cni {

/// Fills in what the config's `ipam` says. Without a type, or with type "twill", Twill chooses the addresses,
/// by host-local's keys; any other type names the plugin that is asked (call.delegate), whose result stands
/// in `ipam` under kIpamResult once it was.
[[nodiscard]] CniResult<void> readIpam(const nlohmann::json& config, Call& call);

}  // namespace twill::cni
