// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace CLI {
class App;
}

namespace twill {

/// Each adds its sub-commands to `app`; a command's callback ends the process with its exit status through
/// CLI::RuntimeError.
void addNodeCommands(CLI::App& app);
void addClusterCommands(CLI::App& app);
void addPeerCommands(CLI::App& app);
void addGossipCommands(CLI::App& app);
void addBgpCommands(CLI::App& app);
void addLabCommands(CLI::App& app);
void addTraceCommands(CLI::App& app);
void addAttachCommands(CLI::App& app);

}  // namespace twill
