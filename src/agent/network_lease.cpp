// SPDX-License-Identifier: Apache-2.0
// A network's part about this node's own lease: published, confirmed, tried again.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "agent/network.hpp"

namespace twill {
namespace {

constexpr auto kPublishRetry = std::chrono::seconds(5);

TimePoint now() {
  return std::chrono::steady_clock::now();
}

}  // namespace

/// The addresses that our lease names, for the choice of the underlay.
void Network::rememberHeld() {
  for (const Lease& lease : cluster_->cluster.leases) {
    if (lease.node != options_.node) continue;
    options_.underlay.held = lease.publicIp;
    options_.underlay.held6 = lease.publicIp6;
  }
}

void Network::publish(const Lease& lease) {
  // One that is gone, and not replaced, is nobody else's doing that would go on and on.
  if (decision_.leased && lease == published_ && now() < publishedAt_ + kPublishRetry) {
    tell("publish", {fmt::format("somebody else writes another lease for {}; is there a second node of that "
                                 "name? Give each its own by --node-name",
                                 lease.node)});
    changeLater(publishTimer_, now() + kPublishRetry, Cause::retry);
    return;
  }
  spdlog::info("publishing lease {} {}", lease.subnet ? lease.subnet->text() : "",
               lease.subnet6 ? lease.subnet6->text() : "");
  send(lease);
  published_ = lease;
  publishedAt_ = now();
}

void Network::send(const Lease& lease) {
  publishing_ = lease;
  datastore_.publish(lease, [this](Result<void> published) {
    publishing_.reset();
    confirmed_ = confirmed_ || published;
    if (published) return;
    published_.reset();
    tell("publish", {published.error().text});
    changeLater(publishTimer_, now() + kPublishRetry, Cause::retry);
  });
}

/// A lease that was there before this agent: the datastore learns that it is this node's, to keep it alive,
/// and what a person has left out of it.
void Network::confirm() {
  if (!decision_.leased || decision_.publish || confirmed_ || publishing_) return;
  Lease lease = decision_.self.lease;
  lease.node = options_.node;
  if (lease.backendType.empty()) lease.backendType = inForce_->backend.type;
  send(lease);
}

}  // namespace twill
