// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "trace/walk.hpp"

namespace twill::trace {

/// The outer packet that a VXLAN device of `place` makes around one for `mac`; nothing when no forwarding
/// entry says behind which node that is.
[[nodiscard]] std::optional<Tunnel> encapsulate(const Place& place, const Link& device,
                                                const MacAddress& mac);

/// The device that takes the inner packet out at `place`, or why none does.
[[nodiscard]] Result<std::string> decapsulate(const Place& place, const Tunnel& tunnel,
                                              const MacAddress& mac);

}  // namespace twill::trace
