// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <nlohmann/json.hpp>
#include <sys/types.h>

#include "cloud/cloud_routes.hpp"
#include "temporary_directory.hpp"

namespace twill::test {

/// A fake of test/cloud on loopback; it goes with this.
class FakeCloud {
 public:
  /// Null when it cannot run: the reason was given to skip() and the test returns. `judge`: a Python module
  /// that it needs.
  static std::unique_ptr<FakeCloud> make(const std::string& program, const std::string& judge,
                                         const nlohmann::json& cloud);
  ~FakeCloud();
  FakeCloud(const FakeCloud&) = delete;
  FakeCloud& operator=(const FakeCloud&) = delete;

  [[nodiscard]] std::string url() const;
  /// "127.0.0.1:PORT"
  [[nodiscard]] std::string host() const;
  /// Switches faults on; returns what is there.
  nlohmann::json control(const nlohmann::json& faults = nullptr) const;

 private:
  FakeCloud() = default;
  TemporaryDirectory directory_;
  pid_t process_ = 0;
  int port_ = 0;
};

/// A process's environment with these variables alone.
[[nodiscard]] cloud::Environment environmentOf(std::map<std::string, std::string> variables);

/// Runs the loop until it holds, for a minute at most; whether it did.
[[nodiscard]] bool runUntil(boost::asio::io_context& io, const std::function<bool()>& holds);

}  // namespace twill::test
