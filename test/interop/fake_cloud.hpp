// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <nlohmann/json.hpp>
#include <sys/types.h>

#include "cloud/reconciler.hpp"
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

/// A node whose routes are kept in a fake, in a hurry.
struct CloudNode {
  static constexpr cloud::Pace kPace{.period = std::chrono::milliseconds(100),
                                     .orphanRespite = std::chrono::milliseconds(300),
                                     .firstWait = std::chrono::milliseconds(20)};

  /// Runs the loop until it holds, for a minute at most; whether it did.
  [[nodiscard]] bool until(const std::function<bool()>& holds);
  [[nodiscard]] bool up();
  /// The first problem has these words in it, soon.
  [[nodiscard]] bool saysSoon(const std::string& words);

  TemporaryDirectory directory;
  std::unique_ptr<FakeCloud> fake;  ///< null: it cannot run here
  boost::asio::io_context io{1};
  std::unique_ptr<cloud::RouteReconciler> keeper;
};

}  // namespace twill::test
