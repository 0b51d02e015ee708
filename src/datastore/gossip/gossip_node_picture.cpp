// SPDX-License-Identifier: Apache-2.0
// GossipNode's part about the map: what the agent is told, and what this node tells of itself.
#include <algorithm>

#include <spdlog/spdlog.h>

#include "datastore/gossip/gossip_node.hpp"

namespace twill::gossip {
std::vector<std::string> GossipNode::troubles() const {
  std::vector<std::string> all;
  if (!startTrouble_.empty()) all.push_back(startTrouble_);
  if (!seedTrouble_.empty()) all.push_back("no other node lets this one in: " + seedTrouble_);
  if (!unfit_.empty()) all.push_back(unfit_);
  all.insert(all.end(), unfitOthers_.begin(), unfitOthers_.end());
  for (const auto& [name, why] : refused_) all.push_back(why);
  for (const auto& [name, why] : conflicts_) all.push_back(why);
  return all;
}

/// Empty while it has no slot.
std::string GossipNode::ownData() const {
  return keeper_->mine() ? keeper_->state().table.at(*keeper_->mine()).data : std::string();
}

/// Of two that run with one name and one state the lease names the address of the first.
bool GossipNode::isLeaseOfCopy() const {
  const auto addresses = addressesOf(ownData());
  return std::any_of(copies_.begin(), copies_.end(), [&](const auto& copy) {
    return std::find(addresses.begin(), addresses.end(), copy.second.at) != addresses.end();
  });
}

/// Why this node must not act, and the kernel stays as it is: somebody else, who was here first, goes by what
/// this one goes by. One that acts already goes on, as its containers are in use.
std::optional<std::string> GossipNode::comesSecond() const {
  const auto warnings = keeper_->warnings();
  const auto copied = std::find_if(warnings.begin(), warnings.end(), [](const SlotWarning& warning) {
    return warning.kind == SlotWarning::Kind::copied;
  });
  if (copied != warnings.end() && isLeaseOfCopy()) return copied->text;
  if (told_ && told_->has_value()) return std::nullopt;
  if (copied != warnings.end() && copies_.empty()) return copied->text;
  // A new name that is another's. The other one would look like what this node was before, and its route go.
  const auto conflict = conflicts_.find(options_.node);
  const auto before = nodeOf(ownData());
  const bool isNew = before && *before != options_.node;
  return isNew && conflict != conflicts_.end() ? std::optional(conflict->second) : std::nullopt;
}

Result<Cluster> GossipNode::picture() const {
  if (!keeper_) return fail(startTrouble_.empty() ? "starting" : startTrouble_, Error::Kind::busy);
  if (const auto why = comesSecond()) return fail(*why, Error::Kind::busy);
  auto picture = pictureOf(*keeper_, living_);
  std::string why;
  for (const auto& trouble : troubles()) why += "; " + trouble;
  if (!picture) return Failure(Error{picture.error().text + why, Error::Kind::busy});
  const auto warnings = keeper_->warnings();
  const bool exhausted = std::any_of(warnings.begin(), warnings.end(), [](const SlotWarning& warning) {
    return warning.kind == SlotWarning::Kind::exhausted;
  });
  // Without its own subnet in the picture the agent would choose one.
  if (!keeper_->mine() && !exhausted)
    return fail("this node waits for a subnet from the other nodes" + why, Error::Kind::busy);
  for (auto& trouble : troubles()) picture->warnings.push_back(std::move(trouble));
  return picture;
}

const Lease* GossipNode::ownLease(const Cluster& cluster) const {
  const auto own = std::find_if(cluster.leases.begin(), cluster.leases.end(),
                                [this](const Lease& lease) { return lease.node == options_.node; });
  return own == cluster.leases.end() ? nullptr : &*own;
}

void GossipNode::tell() {
  const auto now = picture();
  updateTags(now);
  if (!settled_) return;
  const bool same = told_ && told_->has_value() == now.has_value() &&
                    (now ? **told_ == *now : told_->error().text == now.error().text);
  if (same) return;
  told_ = now;
  const auto onCluster = onCluster_;  // it may call watch() or stop() and so end itself
  onCluster(now);
}

NodeTags GossipNode::ownTags() const {
  const SlotState& state = keeper_->state();
  return {.cluster = state.cluster ? std::optional(state.cluster->id) : std::nullopt,
          .id = state.id,
          .generation = state.generation,
          .boot = boot_,
          .noDirectWay = noDirectWay_,
          .unfit = state.cluster ? std::string() : unfit_};
}

void GossipNode::updateTags(const Result<Cluster>& picture) {
  if (!peer_) return;
  const Lease* own = picture ? ownLease(*picture) : nullptr;
  Tags tags = toTags(ownTags(), own != nullptr ? std::optional(*own) : std::nullopt);
  if (tags == tags_) return;
  tags_ = std::move(tags);
  peer_->with([&](Serf& serf, Time now) {
    if (const auto set = serf.setTags(now, tags_); !set) spdlog::warn("gossip: {}", set.error().text);
  });
}

Result<void> GossipNode::publish(const Lease& mine) {
  mayHaveMoved_ = true;
  follow();
  const auto now = picture();
  if (!now) return Failure(now.error());
  const Lease* own = ownLease(*now);
  if (own == nullptr || own->subnet != mine.subnet || own->subnet6 != mine.subnet6) {
    std::string why = own == nullptr ? "this node has none: " : "this node's is another: ";
    for (const auto& warning : keeper_->warnings()) why += warning.text + "; ";
    return fail(why + "subnets come from the slot table", Error::Kind::conflict);
  }
  const std::string data = toData(mine);
  if (data == ownData()) return {};
  TWILL_CHECK(keeper_->want(Clock::now(), data));
  driveSoon();
  return {};
}

}  // namespace twill::gossip
