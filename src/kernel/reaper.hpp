// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "kernel/netlink.hpp"

namespace twill {

/// Removes links in a thread of its own. The kernel takes 15 ms and more for it, waiting until no CPU uses
/// the link any more, and hardly longer for many at once than for one: those that come while it is busy go
/// together, and whoever asked need not wait.
///
/// Threading: all functions from one thread; `onFailure` is called from the reaper's own.
class Reaper {
 public:
  /// Works in the network namespace that `socket` (NETLINK_ROUTE) belongs to. `onFailure`: a link could not
  /// be removed, and is not being removed any more.
  Reaper(netlink::Socket socket, std::function<void()> onFailure);
  /// Waits until all that was asked for is done.
  ~Reaper();
  Reaper(const Reaper&) = delete;
  Reaper& operator=(const Reaper&) = delete;

  void remove(const std::vector<std::string>& links);
  /// Names of the links that are being removed, or about to be.
  [[nodiscard]] std::set<std::string> dying();
  /// Waits until there are none; true when there was one.
  bool settle();

 private:
  void run();
  /// True when none of them is there any more.
  bool removeAll(const std::set<std::string>& links);

  netlink::Socket socket_;
  std::function<void()> onFailure_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::string> queue_;  ///< guarded by mutex_, as all below
  std::set<std::string> busy_;   ///< what the thread is at
  bool ends_ = false;
  std::thread thread_;  ///< last: it uses all of the others
};

}  // namespace twill
