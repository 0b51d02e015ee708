// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "lab/spec.hpp"

/// A lab is one tree of processes:
///
///   keeper     holds the lock file; outside of the lab, waits for it to end and clears up after it
///   init       first of its PID namespace, and of a mount namespace in which the lab's files are a tmpfs;
///   its
///              network namespace is "wire", the switches and cables
///   machines   one process a node or router (machine.hpp), whose children are the agents
///   shaper     where nodes' cables lose or delay packets, and the kernel has no netem for it (shaper.hpp)
///
/// Whatever happens to init, the kernel ends all others with it, and with them go namespaces, links and
/// files. Should the keeper be killed, init goes too. So nothing can be left behind but the lock file's
/// directory.
namespace twill::lab {

using Progress = std::function<void(const std::string& line)>;

/// Starts the lab's processes in the background and comes back when all machines are connected and their
/// agents started. `directory` must exist. Kind::busy: a lab is running there. On failure nothing is left
/// running.
[[nodiscard]] Result<void> launch(const Spec& spec, const std::string& directory,
                                  const std::string& binDirectory, const Progress& progress);

/// The lock file that the keeper holds, and the file with init's process id as the system outside sees it.
[[nodiscard]] std::string lockFile(const std::string& directory);
[[nodiscard]] std::string initFile(const std::string& directory);

}  // namespace twill::lab
