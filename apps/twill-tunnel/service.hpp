// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "base/fd.hpp"
#include "model/tunnel_config.hpp"
#include "tunnel/pump.hpp"

namespace twill {

/// Where the tunnel finds its config, and is found.
struct TunnelPlaces {
  std::string config = "/run/twill/tunnel.json";
  std::string socket = "/run/twill/tunnel.sock";  ///< who connects gets the counters, as JSON
};

/// The process around a pump: follows its config file, answers for its counters, and ends by a signal. One
/// thread, beside those of the pump.
class TunnelService {
 public:
  /// Starts a pump as the config file says, at once.
  static Result<std::unique_ptr<TunnelService>> start(const TunnelPlaces& places);
  /// Until SIGTERM or SIGINT. An error when the device went away.
  Result<void> run();

 private:
  explicit TunnelService(TunnelPlaces places) : places_(std::move(places)) {}
  Result<void> watchConfig();
  Result<void> listen();
  Result<void> readConfig();
  [[nodiscard]] bool configChanged() const;
  void answer() const;
  [[nodiscard]] std::string status() const;

  TunnelPlaces places_;
  Fd lock_, signals_, changes_, listener_;
  TunnelConfig config_;
  std::unique_ptr<tunnel::Pump> pump_;
};

}  // namespace twill
