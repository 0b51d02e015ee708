// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "lab/lab.hpp"

namespace twill {

/// Brings a lab up, or completes one that is up, and comes back when all agents are ready and all containers
/// have their interfaces. Says on stderr what it is doing. An error leaves the lab as far up as it got, to be
/// looked at.
[[nodiscard]] Result<lab::Lab> bringUp(const lab::Spec& spec);

/// Waits until the agent of each node says that it is ready; the error says why one is not.
[[nodiscard]] Result<void> awaitAgents(const lab::Lab& lab);

}  // namespace twill
