// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/kernel.hpp"
#include "kernel/mirror.hpp"
#include "kernel/netlink.hpp"

namespace twill {

/// All of a KernelState that rtnetlink knows: links, addresses, neighbours and routes.
[[nodiscard]] Result<KernelState> readState(netlink::Socket& socket, Mirror& mirror,
                                            const Interest& interest);

}  // namespace twill
