// SPDX-License-Identifier: Apache-2.0
#include "datastore/bgp/liveness.hpp"

#include <algorithm>

namespace twill::bgp {

void Liveness::follow(const std::set<IpAddress>& peers) {
  std::erase_if(peers_, [&](const auto& entry) { return !peers.contains(entry.first); });
  for (const auto& peer : peers) peers_.try_emplace(peer);
}

void Liveness::heard(const IpAddress& peer, TimePoint now) {
  const auto found = peers_.find(peer);
  if (found != peers_.end()) found->second = {.heard = now};
}

std::vector<IpAddress> Liveness::turn(TimePoint now) {
  const auto late = turned_ ? now - *turned_ - step() : std::chrono::nanoseconds(0);
  const bool lost = late > step();
  turned_ = now;
  odd_ = !odd_;
  std::vector<IpAddress> asked;
  for (auto& [address, peer] : peers_) {
    if (peer.heard && lost) *peer.heard += late;
    peer.dead = peer.heard && peer.waiting && now - *peer.heard >= kSilentSteps * step();
    if (!odd_ && !peer.waiting) continue;
    peer.waiting = true;
    asked.push_back(address);
  }
  return asked;
}

std::set<IpAddress> Liveness::dead() const {
  std::set<IpAddress> out;
  for (const auto& [address, peer] : peers_) {
    if (peer.dead) out.insert(address);
  }
  return out;
}

std::chrono::milliseconds Liveness::step() const {
  return std::max(kStep, std::chrono::milliseconds(peers_.size() / 2));
}

}  // namespace twill::bgp
