// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/suspicion.hpp"

#include <algorithm>
#include <cmath>

namespace twill::gossip {

Suspicion::Suspicion(const Timers& timers, std::size_t nodes, std::string accuser, Time now)
    : accuser_(std::move(accuser)), start_(now) {
  const double scale = std::max(1.0, std::log10(std::max<double>(1.0, static_cast<double>(nodes))));
  min_ = std::chrono::duration_cast<Duration>(timers.probeInterval * timers.suspicionMultiplier * scale);
  max_ = min_ * timers.suspicionMaxMultiplier;
  // Two confirmations have to come from nodes that are neither the accuser nor the accused.
  wanted_ = timers.suspicionMultiplier < 2 ? 0U : static_cast<std::size_t>(timers.suspicionMultiplier - 2);
  if (nodes < wanted_ + 2) wanted_ = 0;
}

bool Suspicion::confirm(const std::string& from) {
  return from != accuser_ && confirmers_.size() < wanted_ && confirmers_.insert(from).second;
}

Time Suspicion::deadline() const {
  if (wanted_ == 0) return start_ + min_;
  const double share =
      std::log(static_cast<double>(confirmers_.size()) + 1) / std::log(static_cast<double>(wanted_) + 1);
  const auto shorter = std::chrono::duration_cast<std::chrono::milliseconds>((max_ - min_) * share);
  return start_ + std::max(min_, max_ - Duration(shorter));
}

}  // namespace twill::gossip
