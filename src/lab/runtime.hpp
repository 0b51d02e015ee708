// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "lab/lab.hpp"

namespace twill::lab {

/// Makes a container as a runtime does: a network namespace under the node's /run/netns, then an interface in
/// it by running the CNI plugin that the node's /etc/cni/net.d/10-twill.conflist names. A namespace that is
/// there already is fine, an interface that the agent knows of is not. The agent must be ready.
[[nodiscard]] Result<void> addContainer(const Lab& lab, const PlaceName& container);

}  // namespace twill::lab
