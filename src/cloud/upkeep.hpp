// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "cloud/cloud_routes.hpp"
#include "cloud/compare.hpp"
#include "cloud/status.hpp"

namespace twill::cloud {

/// The reconciler's loop about one wish and those that follow it at the same tables: look, compare, carry
/// out, rest. The loop holds the object, and ends soon after stop(), or when a farewell is done.
/// Threading: the loop's thread.
class Upkeep : public std::enable_shared_from_this<Upkeep> {
 public:
  /// A wish without a subnet of ours is a farewell: our routes go, and that is all. `changed`: status() has
  /// something new to say.
  Upkeep(boost::asio::io_context& io, CloudWish wish, std::unique_ptr<CloudRoutes> cloud,
         std::function<void()> changed, const Pace& pace = {});

  void start();
  void stop();
  /// Another wish, about the same tables.
  void follow(const CloudWish& wish);
  /// Told of each route that is removed.
  void onErase(std::function<void(const Route&)> told) { onErase_ = std::move(told); }
  [[nodiscard]] Status status() const;
  [[nodiscard]] bool inPlace() const { return status_.inPlace; }
  [[nodiscard]] bool isFarewell() const { return wish_.own.empty(); }

 private:
  Task<void> loop();
  Task<void> rest(std::chrono::milliseconds time);
  Task<Outcome> pass();
  Task<Outcome> introduce();
  Task<Outcome> carryOut(Self self, Actions actions);
  template <class Call>
  Task<Outcome> repeat(const Call& call);
  Task<Outcome> lookAtUsage(Self self);
  [[nodiscard]] Outcome consider(Outcome outcome);
  [[nodiscard]] std::chrono::milliseconds waitAfter(const Outcome& outcome) const;
  void noteRoutes(const std::vector<Route>& table, const std::vector<Prefix>& networks);
  void tell(const Outcome& outcome);

  boost::asio::io_context& io_;
  CloudWish wish_;
  std::unique_ptr<CloudRoutes> cloud_;
  std::function<void()> changed_;
  std::function<void(const Route&)> onErase_;
  Pace pace_;
  boost::asio::steady_timer timer_;
  Status status_;
  std::optional<Self> found_;  ///< us, while we are not prepared yet
  std::vector<std::string> conflicts_;
  Orphans orphans_;
  std::optional<TimePoint> usageAt_;
  unsigned refusals_ = 0;  ///< since the last look that went through
  bool due_ = false;       ///< something has changed since the last look began
  bool stopped_ = false;
};

}  // namespace twill::cloud
