// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agent/options.hpp"
#include "agent/underlay.hpp"

namespace twill {

/// This node's addresses on the underlay, as the agent will choose them. An error says why there are none.
[[nodiscard]] Result<Underlay> underlayHere(const Options& options, const RouteQuestion& routeTo);
/// The one to talk to other nodes from: of IPv4, if there is one.
[[nodiscard]] Result<InterfaceAddress> underlayAddress(const Options& options, const RouteQuestion& routeTo);

}  // namespace twill
