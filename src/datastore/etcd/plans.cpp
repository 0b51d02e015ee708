// SPDX-License-Identifier: Apache-2.0
#include "datastore/etcd/plans.hpp"

#include <fmt/format.h>

#include "datastore/etcd/registry.hpp"
#include "model/lease_record.hpp"

namespace twill::etcd {
namespace {

bool overlap(const std::optional<Prefix>& one, const std::optional<Prefix>& other) {
  return one && other && one->overlaps(*other);
}

/// Nobody has it yet: a person has set a subnet aside without saying for whom.
bool isAnybodys(const Lease& lease) {
  return !lease.publicIp && !lease.publicIp6;
}

bool isAt(const Lease& lease, const Lease& other) {
  return other.publicIp ? lease.publicIp == other.publicIp
                        : other.publicIp6.has_value() && lease.publicIp6 == other.publicIp6;
}

Failure conflict(const Picture& picture, const Lease& wanted, const Lease& holder) {
  Lease named = holder;
  named.node = picture.registry().nodeAt(holder);
  return fail(
      fmt::format("{} cannot have {}: {}{} holds {}", wanted.name(), wanted.subnet->text(), named.name(),
                  named.node.empty() || !holder.publicIp ? "" : " at " + holder.publicIp->text(),
                  holder.subnet ? holder.subnet->text() : "a part of it"),
      Error::Kind::conflict);
}

}  // namespace

Result<Write> planLease(const Picture& picture, const Lease& mine, const std::optional<Lease>& before,
                        std::int64_t etcdLease) {
  TWILL_TRY(const LeaseRecord record, toRecord(mine));
  const std::string key = picture.subnetsPrefix() + record.key;
  Write write{.key = key, .value = record.value, .lease = etcdLease};
  bool holds = false;
  for (const KeyValue* entry : picture.under(picture.subnetsPrefix())) {
    const auto lease = picture.leaseIn(*entry);
    if (!lease) continue;
    const bool own =
        isAt(*lease, mine) || (before && lease->subnet == before->subnet && isAt(*lease, *before));
    if (entry->key == key && (own || isAnybodys(*lease))) {
      write.revision = entry->revision;
      if (entry->lease == 0) write.lease = 0;
      holds = entry->value == record.value && entry->lease == write.lease;
    } else if (own) {
      write.erased = entry->key;
      write.erasedRevision = entry->revision;
    } else if (overlap(lease->subnet, mine.subnet) || overlap(lease->subnet6, mine.subnet6)) {
      return conflict(picture, mine, *lease);
    }
  }
  return holds && write.erased.empty() ? Write() : write;
}

Result<Write> planReservation(const Picture& picture, const Lease& lease) {
  if (!lease.publicIp && !lease.publicIp6) {
    return fail("a subnet in etcd is reserved for the node at a public address: give that",
                Error::Kind::invalid);
  }
  TWILL_TRY(const LeaseRecord record, toRecord(lease));
  Write write{.key = picture.subnetsPrefix() + record.key, .value = record.value};
  for (const KeyValue* entry : picture.under(picture.subnetsPrefix())) {
    const auto there = picture.leaseIn(*entry);
    if (!there) continue;
    const bool same = isAt(*there, lease);
    if (entry->key == write.key && (same || isAnybodys(*there))) {
      if (same && entry->lease == 0) return Write();
      write.revision = entry->revision;
      if (same) write.value = entry->value;  // with what its node has said of itself
    } else if (same || overlap(there->subnet, lease.subnet) || overlap(there->subnet6, lease.subnet6)) {
      return conflict(picture, lease, *there);
    }
  }
  return write;
}

Result<Write> planRelease(const Picture& picture, const Prefix& subnet) {
  for (const KeyValue* entry : picture.under(picture.subnetsPrefix())) {
    const auto lease = picture.leaseIn(*entry);
    if (lease && lease->subnetOf(subnet.family()) == subnet)
      return Write{.key = {}, .value = {}, .erased = entry->key, .erasedRevision = entry->revision};
  }
  return fail("there is no lease of " + subnet.text() + " in etcd", Error::Kind::missing);
}

Write planConfig(const Picture& picture, const std::string& text) {
  const KeyValue* there = picture.find(picture.configKey());
  if (there != nullptr && there->value == text) return {};
  return {.key = picture.configKey(), .value = text, .revision = there == nullptr ? 0 : there->revision};
}

}  // namespace twill::etcd
