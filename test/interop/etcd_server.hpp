// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

namespace twill::test {

struct EtcdSettings {
  std::vector<std::string> arguments = {};  ///< further ones
  std::vector<std::string> client = {};     ///< of etcdctl, such as a user and a certificate
  std::string scheme = "http";
  bool answers = true;         ///< once it is started; one of several members has to wait for the others
  std::string directory = {};  ///< made by makeDirectory(), for files that it needs; or its own
};

/// A real etcd on loopback, with a directory of its own; both go with this.
class EtcdServer {
 public:
  /// Null when there is none on this machine: the reason was given to skip() and the test returns.
  static std::unique_ptr<EtcdServer> make(EtcdSettings settings = {});
  /// A port of loopback that is free now.
  static int freePort();
  /// A new one, which goes with the server that gets it.
  static std::string makeDirectory();
  EtcdServer(const EtcdServer&) = delete;
  EtcdServer& operator=(const EtcdServer&) = delete;
  ~EtcdServer();

  [[nodiscard]] std::string endpoint() const;
  void kill();
  /// It is there and does nothing.
  void freeze() const;
  void thaw() const;
  /// With what it held before; returns when it answers.
  void start();
  /// What `etcdctl ARGUMENTS` prints.
  [[nodiscard]] std::string ctl(const std::vector<std::string>& arguments) const;

 private:
  explicit EtcdServer(EtcdSettings settings) : settings_(std::move(settings)) {}
  EtcdSettings settings_;
  int port_ = 0;
  pid_t process_ = 0;
};

}  // namespace twill::test
