// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agent/options.hpp"
#include "base/result.hpp"

namespace twill {

/// twilld --cleanup: removes from the kernel all that carries Twill's marks, container interfaces included,
/// then the records and files under the run and state directories. Prints each step. Refuses while an agent
/// is running.
[[nodiscard]] Result<void> cleanUp(const Options& options);

/// Ends the twill-tunnels that an agent with these options would not look after: of networks that the node
/// has left. They would keep the port from others.
[[nodiscard]] Result<void> endStrayTunnels(const Options& options);

/// The part of it about files: those that the agent makes, by their names, and the directories that are empty
/// then. A directory that somebody named by mistake, or shares with us, keeps the rest.
[[nodiscard]] Result<void> removeFiles(const Options& options);

}  // namespace twill
