// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"

namespace twill {

/// Takes the programs of udp's kernel engine (bpf/udp_tunnel.bpf.c) from the links that they were left at, in
/// the calling thread's network namespace: twill-tunnel does so itself unless it is killed. Returns those
/// links.
[[nodiscard]] Result<std::vector<std::string>> removeTunnelPrograms();

}  // namespace twill
