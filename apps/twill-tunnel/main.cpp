// SPDX-License-Identifier: Apache-2.0
// twill-tunnel: packets between a TUN and UDP, in a process that goes on without the agent.
#include <CLI/CLI.hpp>
#include <spdlog/spdlog.h>

#include "base/log.hpp"
#include "cli/describe.hpp"
#include "service.hpp"

namespace {

constexpr const char* kFooter =
    R"(The agent starts it when the network's backend is udp, and writes its config. By hand:
  twill-tunnel --config /run/twill/tunnel.json
  socat - UNIX-CONNECT:/run/twill/tunnel.sock      what it has sent, received, and dropped)";

twill::Result<void> run(const twill::TunnelPlaces& places) {
  TWILL_TRY(const auto service, twill::TunnelService::start(places));
  return service->run();
}

}  // namespace

int main(int argc, char** argv) {
  twill::TunnelPlaces places;
  std::string level = "info";
  CLI::App app("twill-tunnel: the user-space overlay of the Twill container network", "twill-tunnel");
  app.footer(kFooter);
  app.set_version_flag("--version", "twill-tunnel " TWILL_VERSION);
  app.add_option("--config", places.config, "what to do; followed while it changes")->capture_default_str();
  app.add_option("--socket", places.socket, "where to tell the counters")->capture_default_str();
  app.add_option("--log-level", level, "how much to say")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
      ->capture_default_str();
  if (twill::cli::describeSelf(app, argc, argv)) return 0;
  CLI11_PARSE(app, argc, argv);
  twill::setUpLog(level);
  const auto done = run(places);
  if (done) return 0;
  spdlog::error("{}", done.error().text);
  return 1;
}
