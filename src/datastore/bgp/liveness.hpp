// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "net/address.hpp"

/// Who is dead. Pure: a clock that is passed in, and no I/O.
namespace twill::bgp {

using TimePoint = std::chrono::steady_clock::time_point;

/// Asks each node every 300 ms whether it is there, and one that has not answered twice as often. One that
/// was heard before, and for three times 300 ms not, is dead until it is heard again. One that never was
/// heard is nothing: a router that knows no such question.
class Liveness {
 public:
  /// Half of the time between two questions.
  static constexpr std::chrono::milliseconds kStep{150};
  /// So many without an answer make a node dead.
  static constexpr int kSilentSteps = 6;

  /// Whom to ask from now on.
  void follow(const std::set<IpAddress>& peers);
  /// It is there.
  void heard(const IpAddress& peer, TimePoint now);
  /// Once each step(), after all that had come in was heard: says whom to ask now. A turn that comes late
  /// tells more of this node than of the others: the time that it lost counts for nothing.
  [[nodiscard]] std::vector<IpAddress> turn(TimePoint now);
  /// The dead, by the last turn.
  [[nodiscard]] std::set<IpAddress> dead() const;
  /// Longer with very many peers, so that there are a thousand questions each second.
  [[nodiscard]] std::chrono::milliseconds step() const;

 private:
  struct Peer {
    std::optional<TimePoint> heard;
    bool waiting = false;  ///< for an answer
    bool dead = false;
  };
  std::map<IpAddress, Peer> peers_;
  std::optional<TimePoint> turned_;
  bool odd_ = false;
};

}  // namespace twill::bgp
