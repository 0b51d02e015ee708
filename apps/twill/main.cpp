// SPDX-License-Identifier: Apache-2.0
// twill: the command line. Each command lives in its own *_commands.cpp.
#include <CLI/CLI.hpp>

#include "cli/describe.hpp"
#include "commands.hpp"

namespace {

constexpr const char* kFooter = R"(Examples:
  twill lab up                    a three-node container network on this machine
  twill status                    what this node is and whether all is well
  twill diff                      what the kernel should hold and does not
  twill leases                    who has which subnet
  twill trace 172.16.1.2          the road a packet takes from here
  twill diagram > net.svg         a picture of the lab's network)";

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("twill: look at a container network, and build one to play with", "twill");
  app.footer(kFooter);
  app.set_version_flag("--version", "twill " TWILL_VERSION);
  app.require_subcommand(1);
  twill::addNodeCommands(app);
  twill::addPeerCommands(app);
  twill::addClusterCommands(app);
  twill::addGossipCommands(app);
  twill::addBgpCommands(app);
  twill::addAttachCommands(app);
  twill::addTraceCommands(app);
  twill::addLabCommands(app);
  if (twill::cli::describeSelf(app, argc, argv)) return 0;
  try {
    app.parse(argc, argv);
  } catch (const CLI::RuntimeError& error) {
    return error.get_exit_code();
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return 0;
}
