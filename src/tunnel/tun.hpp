// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace twill::tunnel {

/// The device that containers' packets come out of.
struct Tun {
  Fd fd;             ///< not blocking; each read and write is a VnetHeader and one packet
  bool udp = false;  ///< the kernel gives and takes UDP in large packets, too (Linux 6.2)
};

/// Attaches to the TUN device `name`, which the agent has made. Needs CAP_NET_ADMIN. The error says what to
/// do.
[[nodiscard]] Result<Tun> attachTun(const std::string& name);

}  // namespace twill::tunnel
