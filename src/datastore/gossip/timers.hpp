// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

namespace twill::gossip {

using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;
using Duration = Clock::duration;

/// How fast a peer works. The defaults are memberlist's DefaultLANConfig(); nodes that differ in them still
/// understand each other.
struct Timers {
  Duration probeInterval = std::chrono::seconds(1);
  Duration probeTimeout = std::chrono::milliseconds(500);
  int indirectProbes = 3;
  int suspicionMultiplier = 4;  ///< of the probe interval, at least, until a suspect counts as dead
  int suspicionMaxMultiplier = 6;
  int retransmitMultiplier = 4;
  Duration pushPullInterval = std::chrono::seconds(30);
  Duration gossipInterval = std::chrono::milliseconds(200);
  Duration newsInterval = std::chrono::milliseconds(40);  ///< news goes out so often; memberlist lets it wait
  int gossipNodes = 3;
  Duration gossipToDead = std::chrono::seconds(30);  ///< and after that, a dead node is forgotten
  int awarenessMax = 8;  ///< one more than how often the probe interval may be added to itself
  Duration reconnectInterval = std::chrono::seconds(5);  ///< Serf waits 30 s; a healed cut is seen sooner
  Duration keepDeparted = std::chrono::hours(24);        ///< failed and left members, by Serf
};

}  // namespace twill::gossip
