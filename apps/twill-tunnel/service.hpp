// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "base/fd.hpp"
#include "model/tunnel_config.hpp"
#include "tunnel/kernel_engine.hpp"
#include "tunnel/pump.hpp"

namespace twill {

/// Where the tunnel finds its config, and is found.
struct TunnelPlaces {
  std::string config = "/run/twill/tunnel.json";
  std::string socket = "/run/twill/tunnel.sock";  ///< who connects gets the counters, as JSON
};

/// The process around a pump and, where the kernel takes it, the way past it: follows its config file,
/// answers for its counters, and ends by a signal. One thread, beside those of the pump.
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
  void setEngine();
  Result<void> useKernel();
  void onLinkChange();
  [[nodiscard]] bool configChanged() const;
  void answer() const;
  [[nodiscard]] std::string status() const;

  TunnelPlaces places_;
  Fd lock_, signals_, changes_, listener_, links_;
  TunnelConfig config_;
  std::unique_ptr<tunnel::Pump> pump_;
  std::unique_ptr<tunnel::KernelEngine> kernel_;  ///< none: all packets go by the pump
  std::string reason_;                            ///< for that choice
  using Clock = std::chrono::steady_clock;
  std::optional<Clock::time_point> retryAt_;  ///< not before; none: nothing is to be tried again
};

}  // namespace twill
