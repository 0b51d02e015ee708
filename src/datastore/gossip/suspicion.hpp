// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <set>
#include <string>

#include "datastore/gossip/timers.hpp"

namespace twill::gossip {

/// How long a suspect may go on before it counts as dead: long when one node alone accuses it, short when
/// others confirm (Lifeguard, "Local Health Awareness for More Accurate Failure Detection", section IV.B).
/// Pure.
class Suspicion {
 public:
  Suspicion(const Timers& timers, std::size_t nodes, std::string accuser, Time now);

  /// True: `from` had not said so before, and that counts.
  bool confirm(const std::string& from);
  [[nodiscard]] Time deadline() const;
  [[nodiscard]] const std::string& accuser() const { return accuser_; }

 private:
  std::string accuser_;
  Time start_;
  Duration min_{};
  Duration max_{};
  std::size_t wanted_ = 0;  ///< confirmations for the shortest time
  std::set<std::string> confirmers_;
};

}  // namespace twill::gossip
