// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "plan/ipip_tunnel.hpp"

namespace twill {

/// What one of IPIP's programs in the kernel does, whoever has loaded it; `program` is its id. Names of links
/// are those of the calling thread's network namespace, empty for one that is not there. Peers have an order
/// of their own. Needs CAP_SYS_ADMIN.
[[nodiscard]] Result<IpipTunnel> lookAtIpip(std::uint32_t program);

}  // namespace twill
