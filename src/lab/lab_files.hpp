// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "lab/spec.hpp"

/// What is where in a lab. `directory` is the lab's own: outside it holds the lock, inside a tmpfs with all
/// the rest.
namespace twill::lab {

/// RUN/NAME, where RUN is /run/twill-lab for root, and for others $XDG_RUNTIME_DIR/twill-lab or, without one,
/// /tmp/twill-lab-UID.
[[nodiscard]] std::string labDirectory(const std::string& name);

[[nodiscard]] std::string specFile(const std::string& directory);
/// The process that holds a machine's namespaces, by its id inside the lab.
[[nodiscard]] std::string pidFile(const std::string& directory, const std::string& machine);
[[nodiscard]] std::string logFile(const std::string& directory, const std::string& machine);
/// The agent's socket of a node.
[[nodiscard]] std::string socketFile(const std::string& directory, const std::string& node);

/// /etc/cni/net.d/10-twill.conflist of every node.
[[nodiscard]] std::string conflistOf(const Spec& spec);

}  // namespace twill::lab
