// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace twill {

/// Makes a TUN device as LinkKind::tun describes it, in the network namespace of the calling thread. It is
/// down, and goes with the descriptor unless keepTun() is called. `name` must be fit for an interface
/// (netlink::checkLinkName()). Errors: the name is taken (EEXIST); no /dev/net/tun; the right to use it is
/// missing.
[[nodiscard]] Result<Fd> openTun(const std::string& name);

/// The same for a TAP device, whose frames begin with an Ethernet header.
[[nodiscard]] Result<Fd> openTap(const std::string& name);

/// From now on the device stays when its descriptor is closed, for root or who has CAP_NET_ADMIN to attach
/// to.
[[nodiscard]] Result<void> keepTun(const Fd& device);

}  // namespace twill
