// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "agent/time_point.hpp"
#include "base/fd.hpp"
#include "model/tunnel_config.hpp"

namespace twill {

/// Keeps twill-tunnel running, as the last config says. The process outlives the agent and is taken over by
/// the next one; one that ends is started again, at once when it had lived for a second, else after a delay
/// that doubles.
/// Threading: all of it on the io_context's one thread.
class TunnelProcess {
 public:
  /// Config and socket are in `runDir`; `changed` is called when the process has come up or ended.
  TunnelProcess(boost::asio::io_context& io, const std::string& runDir, std::function<void()> changed);

  /// What it is to do from now on; none: it is to end. Cheap when nothing is to be done. To be called again
  /// after `changed`, which comes when there is something to be tried again, too.
  void follow(const std::optional<TunnelConfig>& config);
  /// It does what it is to do, or nothing is to be done.
  [[nodiscard]] bool isUp() const { return !wanted_ || up_; }
  /// Why not; empty when it is up, or coming up.
  [[nodiscard]] const std::string& problem() const { return problem_; }
  struct Status {
    std::string json;             ///< its own word on what it has sent, received and dropped
    std::uint64_t strangers = 0;  ///< packets that were not from the peer that their source belongs to
    std::string problem;          ///< it works, and not as it should; empty when it does
  };
  /// Asks it, and waits for at most a second. Kind::missing: there is none.
  [[nodiscard]] Result<Status> status() const;

 private:
  Result<void> write(const TunnelConfig& config);
  void start();
  void stop();
  bool adopt();
  void watch(int pid, bool child);
  void onEnd();
  void lookForSocket(int attempts);
  void callAgain(TimePoint when);

  std::string config_, socket_;  ///< paths
  std::function<void()> changed_;
  std::optional<TunnelConfig> wanted_;
  std::string written_;
  boost::asio::posix::stream_descriptor process_;  ///< pidfd
  int pid_ = 0;                                    ///< 0: there is none
  bool child_ = false;                             ///< it is ours to wait for
  bool up_ = false;
  std::string problem_;
  TimePoint startedAt_, notBefore_;
  std::chrono::milliseconds delay_{0};
  boost::asio::steady_timer timer_;
};

/// What is wrong with the engine that twill-tunnel has come to, given the one that the network config asks
/// for and the reason, all in its own words; empty when nothing is.
[[nodiscard]] std::string engineProblem(std::string_view wanted, std::string_view engine,
                                        std::string_view reason);

/// Ends the twill-tunnel of `runDir`, which no agent looks after, and waits until it is gone; for two seconds
/// at most. Returns which process that was; 0: there was none.
[[nodiscard]] Result<int> endTunnel(const std::string& runDir);

}  // namespace twill
