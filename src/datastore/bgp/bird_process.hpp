// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/result.hpp"

namespace twill::bgp {

/// What BIRD is started with; all paths.
struct BirdFiles {
  std::string program = "/usr/sbin/bird";
  std::string config;
  std::string socket;
  std::string pidFile;
};

/// Keeps a BIRD of our own running. It outlives the agent and is taken over by the next one. One that ends is
/// started again so that it recovers the routes that it had (-R, RFC 4724), at once when it had lived for a
/// second, else after a delay that doubles.
///
/// Threading: on the loop's thread; `changed` is not called from inside a call.
class BirdProcess {
 public:
  BirdProcess(boost::asio::io_context& loop, BirdFiles files, std::function<void()> changed);

  /// Takes over the one that listens at the socket, or starts one. From then on it is kept.
  void keep();
  [[nodiscard]] bool runs() const { return pid_ != 0; }
  /// Why it does not; empty: it does, or is coming up.
  [[nodiscard]] const std::string& problem() const { return problem_; }
  /// What comes in its place recovers what it had: the other nodes see nothing of it.
  void kill();

  /// Whether it takes `file`; an error has its words, with the line.
  [[nodiscard]] Result<void> check(const std::string& file) const;
  /// The program's own version; checked.
  [[nodiscard]] Result<std::string> version() const;

 private:
  void start();
  void watch(int pid, bool child);
  void onEnd();
  void keepLater(std::chrono::milliseconds delay);

  BirdFiles files_;
  std::function<void()> changed_;
  boost::asio::posix::stream_descriptor process_;  ///< pidfd
  boost::asio::steady_timer timer_;
  int pid_ = 0;
  bool child_ = false;  ///< it is ours to wait for
  std::string problem_;
  std::chrono::steady_clock::time_point startedAt_;
  std::chrono::milliseconds delay_{0};
};

/// Ends the BIRD at that socket, in an orderly way: peers are told that its routes go. Returns which process
/// that was; 0: there was none.
[[nodiscard]] Result<int> endBird(const std::string& socket);

}  // namespace twill::bgp
