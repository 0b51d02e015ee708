// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>

#include "base/result.hpp"
#include "cloud/cloud_routes.hpp"
#include "cloud/compare.hpp"
#include "cloud/status.hpp"
#include "model/cloud_wish.hpp"

namespace twill::cloud {

class Upkeep;

/// Makes a cloud's object by the wish's type; null: there is no such cloud. cloudOf() of clouds.hpp, but in
/// tests.
using MakeCloud = std::function<std::unique_ptr<CloudRoutes>(boost::asio::io_context&, const CloudWish&)>;

/// Keeps the routes to this node in the cloud's tables, and clears up behind nodes that are gone, as
/// compare() says: at each change of what is wanted, and each minute or so. What fails is tried again with
/// back-off. Routes stay when the agent stops; a file remembers that there are some.
///
/// Threading: the loop's thread. Destroying it ends calls in flight; their remains go with the io_context,
/// which has to be destroyed later.
class RouteReconciler {
 public:
  /// `changed`: status() has something new to say that others may wait for.
  RouteReconciler(boost::asio::io_context& io, std::string stateFile, std::function<void()> changed,
                  MakeCloud make, const Pace& pace = {});
  ~RouteReconciler();
  RouteReconciler(const RouteReconciler&) = delete;
  RouteReconciler& operator=(const RouteReconciler&) = delete;

  /// What is wanted from now on; none: the routes to this node are removed, this life's or an earlier one's,
  /// and that is all. Cheap when nothing has changed.
  void follow(const std::optional<CloudWish>& wish);
  /// The routes are there and lead here, or none are wanted.
  [[nodiscard]] bool isUp() const;
  /// None while there is nothing to be done.
  [[nodiscard]] std::optional<Status> status() const;

 private:
  void remember(const CloudWish& wish);
  void start(const CloudWish& wish);
  void onChange();

  boost::asio::io_context& io_;
  std::string stateFile_;
  std::function<void()> changed_;
  MakeCloud make_;
  Pace pace_;
  bool followed_ = false;
  std::optional<CloudWish> wish_;
  std::string remembered_;  ///< text of the file, as written last; empty: not by this object
  std::string problem_;     ///< with the file
  std::shared_ptr<Upkeep> upkeep_;
};

/// Removes the routes to this node that the file remembers, then the file, for `twilld --cleanup`. Waits for
/// the cloud, half a minute at most. `removed` is told of each.
[[nodiscard]] Result<void> removeRememberedRoutes(const std::string& stateFile, const MakeCloud& make,
                                                  const std::function<void(const std::string&)>& removed);

}  // namespace twill::cloud
