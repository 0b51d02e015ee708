// SPDX-License-Identifier: Apache-2.0
#include "datastore/etcd/picture.hpp"

#include <fmt/format.h>

#include "model/lease_record.hpp"

namespace twill::etcd {
namespace {

bool overlap(const std::optional<Prefix>& one, const std::optional<Prefix>& other) {
  return one && other && one->overlaps(*other);
}

std::string named(const Lease& lease) {
  return fmt::format("{} at {}", lease.subnet ? lease.subnet->text() : "?",
                     lease.publicIp ? lease.publicIp->text() : "an unknown address");
}

}  // namespace

void Picture::replace(const Listing& listing) {
  entries_.clear();
  for (const KeyValue& entry : listing.entries) entries_.emplace(entry.key, entry);
  revision_ = listing.revision;
}

bool Picture::apply(const Changes& changes) {
  bool changed = false;
  for (const auto& key : changes.deleted) changed = entries_.erase(key) != 0 || changed;
  for (const KeyValue& entry : changes.put) {
    auto& known = entries_[entry.key];
    changed = changed || known.value != entry.value || known.key.empty();
    known = entry;
  }
  revision_ = std::max(revision_, changes.revision);
  return changed;
}

Result<Cluster> Picture::cluster(std::set<std::string>& unreadable) const {
  const auto config = entries_.find(prefix_ + "/config");
  if (config == entries_.end()) {
    return fail(
        fmt::format(R"(there is no network config at {0}/config; put one there: etcdctl put {0}/config )"
                    R"('{{"Network":"10.244.0.0/16","Backend":{{"Type":"vxlan"}}}}')",
                    prefix_),
        Error::Kind::missing);
  }
  Cluster out;
  auto network = parseNetworkConfig(config->second.value);
  if (!network) return Failure(std::move(network).error().in(prefix_ + "/config"));
  out.network = std::move(*network);
  const std::string subnets = prefix_ + "/subnets/";
  for (auto at = entries_.lower_bound(subnets); at != entries_.end() && at->first.starts_with(subnets);
       ++at) {
    auto lease = parseRecord(std::string_view(at->first).substr(subnets.size()), at->second.value);
    if (lease) {
      out.leases.push_back(std::move(*lease));
    } else {
      unreadable.insert(lease.error().text);
    }
  }
  return out;
}

Result<Picture::Plan> Picture::planFor(const Lease& mine, const std::string& before) const {
  TWILL_TRY(const LeaseRecord record, toRecord(mine));
  const std::string subnets = prefix_ + "/subnets/";
  const std::string key = subnets + record.key;
  Plan plan{.done = false, .write = {.key = key, .value = record.value}, .isNew = true};
  for (auto at = entries_.lower_bound(subnets); at != entries_.end() && at->first.starts_with(subnets);
       ++at) {
    const auto lease = parseRecord(std::string_view(at->first).substr(subnets.size()), at->second.value);
    if (!lease) continue;
    const bool own = at->first == before || (lease->publicIp && lease->publicIp == mine.publicIp);
    if (at->first == key && (own || !lease->publicIp)) {
      plan.write.revision = at->second.revision;
      plan.write.lease = at->second.lease;
      plan.isNew = false;
      plan.done = at->second.value == record.value;
    } else if (own) {
      plan.write.instead = at->first;
      plan.write.insteadRevision = at->second.revision;
    } else if (overlap(lease->subnet, mine.subnet) || overlap(lease->subnet6, mine.subnet6)) {
      return fail(
          fmt::format("{} cannot have {}: {} holds it", mine.name(), mine.subnet->text(), named(*lease)),
          Error::Kind::conflict);
    }
  }
  plan.done = plan.done && plan.write.instead.empty();
  return plan;
}

}  // namespace twill::etcd
