// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/netlink.hpp"
#include "model/attachment.hpp"

namespace twill {

/// Adds a route over the interface `index` of the container that the socket is in. One that is there already
/// stays. Beside another interface's, ours comes behind it, by its metric: a second interface does not take
/// the first one's traffic, and takes over when that one goes. Kind::conflict: it is to have a priority that
/// another route has.
[[nodiscard]] Result<void> addContainerRoute(netlink::Socket& inside, const ContainerRoute& wanted, int index,
                                             std::uint8_t protocol);

}  // namespace twill
