// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

namespace twill::test {

struct SerfSettings {
  std::string node = "s1";
  std::string address = "127.0.0.2";
  std::vector<std::string> arguments = {};  ///< further ones
};

/// A stock Serf agent on loopback, with the tag role=stock and a directory of its own; both go with this.
class SerfAgent {
 public:
  struct Outcome {
    int status = -1;  ///< 0: it went well
    std::string output;
  };

  /// Null when there is none on this machine: the reason was given to skip() and the test returns.
  static std::unique_ptr<SerfAgent> make(SerfSettings settings = {});
  /// A port that is free now at that address of loopback, for UDP and TCP.
  static std::uint16_t freePort(const std::string& address);
  SerfAgent(const SerfAgent&) = delete;
  SerfAgent& operator=(const SerfAgent&) = delete;
  ~SerfAgent();

  [[nodiscard]] const std::string& address() const { return settings_.address; }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  void kill();
  /// `serf COMMAND -rpc-addr=.. ARGUMENTS`, at most a minute of it. Thread: any.
  [[nodiscard]] Outcome ctl(const std::string& command, const std::vector<std::string>& arguments = {}) const;
  /// A line "NAME PAYLOAD" for each user event that it saw.
  [[nodiscard]] std::string events() const;
  /// What it says in its log about messages that it cannot read.
  [[nodiscard]] std::string complaints() const;

 private:
  explicit SerfAgent(SerfSettings settings);
  void start();

  SerfSettings settings_;
  std::string directory_;
  std::uint16_t port_ = 0;
  std::uint16_t rpcPort_ = 0;
  pid_t process_ = 0;
};

}  // namespace twill::test
