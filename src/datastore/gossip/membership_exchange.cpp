// SPDX-License-Identifier: Apache-2.0
// Membership's push/pulls: when there is something to exchange. memberlist does them by the clock alone, and
// each costs as much as there are nodes. Here those that compare say with each ack what their state comes
// down to.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <string_view>
#include <utility>

#include "datastore/gossip/big_endian.hpp"
#include "datastore/gossip/membership.hpp"

namespace twill::gossip {
namespace {

/// From this many nodes on push/pulls grow rarer (memberlist's pushPullScaleThreshold).
constexpr double kPushPullScaleFrom = 32;
/// Where all agree, one all the same: digests leave out what only `serf members` shows.
constexpr std::chrono::hours kExchangeAtLeast{1};
/// After an exchange out of turn; longer each time that it did not help.
constexpr std::chrono::seconds kFirstHealPause{2};
/// No version of Serf's coordinates, which a stock agent sends there.
constexpr char kDigestMark = '\xd7';

}  // namespace

/// Empty for who would not understand it.
std::string Membership::ackPayload(const Ping& ping) {
  const SwimMember* asker = find(ping.sourceNode);
  const auto upper = asker == nullptr ? std::nullopt : upper_.digestFor(*asker);
  if (!upper) return {};
  std::string payload(1, kDigestMark);
  appendBig(payload, digest_ ^ *upper, sizeof digest_);
  return payload;
}

/// A difference is a rumour on its way, mostly. When two probes in a row find one, and this node has heard
/// nothing in between, one of them missed something: then it is time to exchange states.
void Membership::compare(const SwimMember& other, const std::string& payload) {
  constexpr std::size_t kSize = 1 + sizeof digest_;
  const auto upper = upper_.digestFor(other);
  if (!upper || payload.size() != kSize || payload.front() != kDigestMark) return;
  const std::uint64_t ours = digest_ ^ *upper;
  const bool unchanged = std::exchange(compared_, ours) == ours;
  agreedAt_.reset();
  if (ours == bigOf(std::string_view(payload).substr(1))) {
    agreedAt_ = now_;
    differed_ = false;
    healPause_ = kFirstHealPause;
    return;
  }
  if (!std::exchange(differed_, true) || !unchanged || now_ < healAt_) return;
  healAt_ = now_ + healPause_;
  healPause_ = std::clamp<Duration>(2 * healPause_, kFirstHealPause, pushPullPause());
  exchangedAt_ = now_;
  carrier_.pushPull(other.endpoint, false);
}

void Membership::exchangeInTurn() {
  const bool agrees = agreedAt_ && now_ - *agreedAt_ < options_.timers.pushPullInterval;
  if (agrees && now_ - exchangedAt_ < kExchangeAtLeast) return;
  for (const SwimMember* other : some(1)) {
    if (other->state != NodeState::alive) continue;
    exchangedAt_ = now_;
    carrier_.pushPull(other->endpoint, false);
  }
}

Duration Membership::pushPullPause() const {
  const double nodes = static_cast<double>(members_.size());
  if (nodes <= kPushPullScaleFrom) return options_.timers.pushPullInterval;
  return options_.timers.pushPullInterval *
         (static_cast<int>(std::ceil(std::log2(nodes) - std::log2(kPushPullScaleFrom))) + 1);
}

}  // namespace twill::gossip
