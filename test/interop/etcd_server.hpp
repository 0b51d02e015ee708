// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

namespace twill::test {

/// A real etcd on loopback, with a directory of its own; both go with this.
class EtcdServer {
 public:
  /// Null when there is none on this machine: the reason was given to skip() and the test returns.
  static std::unique_ptr<EtcdServer> make();
  EtcdServer(const EtcdServer&) = delete;
  EtcdServer& operator=(const EtcdServer&) = delete;
  ~EtcdServer();

  [[nodiscard]] std::string endpoint() const;
  void kill();
  /// With what it held before; returns when it answers.
  void start();
  /// What `etcdctl ARGUMENTS` prints.
  [[nodiscard]] std::string ctl(const std::vector<std::string>& arguments) const;

 private:
  EtcdServer() = default;
  std::string directory_;
  int port_ = 0;
  pid_t process_ = 0;
};

}  // namespace twill::test
