// SPDX-License-Identifier: Apache-2.0
#include "datastore/etcd/picture.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "datastore/etcd/registry.hpp"
#include "model/lease_record.hpp"

namespace twill::etcd {

void Picture::replace(const Listing& listing) {
  entries_.clear();
  for (const KeyValue& entry : listing.entries) entries_.emplace(entry.key, entry);
  revision_ = listing.revision;
  noteChange(registryPrefix());
}

bool Picture::apply(const Changes& changes) {
  bool changed = false;
  for (const auto& [entry, deleted] : changes.events) {
    noteChange(entry.key);
    const auto known = entries_.find(entry.key);
    const bool isNews = known == entries_.end() ? !deleted : known->second.revision < entry.revision;
    changed = changed || isNews;
    if (isNews && deleted) entries_.erase(known);
    if (isNews && !deleted) entries_.insert_or_assign(entry.key, entry);
  }
  revision_ = std::max(revision_, changes.revision);
  return changed;
}

void Picture::apply(const Write& write, std::int64_t revision) {
  if (revision <= revision_) return;  // told of already
  noteChange(write.erased);
  noteChange(write.key);
  if (!write.erased.empty()) entries_.erase(write.erased);
  if (write.key.empty()) return;
  auto& known = entries_[write.key];
  known = {.key = write.key,
           .value = write.value,
           .created = write.revision == 0 ? revision : known.created,
           .revision = revision,
           .lease = write.lease};
}

Result<std::string> Picture::config() const {
  if (const KeyValue* config = find(configKey()); config != nullptr) return config->value;
  return fail(
      fmt::format("there is no network config at {0} in etcd; put one there: twill config set FILE, or "
                  R"(etcdctl put {0} '{{"Network":"10.244.0.0/16","Backend":{{"Type":"vxlan"}}}}')",
                  configKey()),
      Error::Kind::missing);
}

Result<Cluster> Picture::cluster(std::set<std::string>& unreadable) const {
  TWILL_TRY(const std::string config, this->config());
  Cluster out;
  auto network = parseNetworkConfig(config);
  if (!network) return Failure(std::move(network).error().in(configKey()));
  out.network = std::move(*network);
  const Registry& registry = this->registry();
  for (const KeyValue* entry : under(subnetsPrefix())) {
    auto lease = leaseIn(*entry);
    if (lease) {
      registry.complete(*lease);
      out.leases.push_back(std::move(*lease));
    } else {
      unreadable.insert(lease.error().text);
    }
  }
  out.warnings = registry.rivalries();
  return out;
}

const KeyValue* Picture::find(const std::string& key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : &found->second;
}

std::vector<const KeyValue*> Picture::under(const std::string& prefix) const {
  std::vector<const KeyValue*> out;
  for (auto at = entries_.lower_bound(prefix); at != entries_.end() && at->first.starts_with(prefix); ++at)
    out.push_back(&at->second);
  return out;
}

void Picture::noteChange(const std::string& key) {
  if (!key.starts_with(registryPrefix())) return;
  ++registryVersion_;
  registry_.reset();
}

const Registry& Picture::registry() const {
  if (!registry_) registry_ = std::make_shared<const Registry>(*this);
  return *registry_;
}

Result<Lease> Picture::leaseIn(const KeyValue& entry) const {
  return parseRecord(std::string_view(entry.key).substr(subnetsPrefix().size()), entry.value);
}

std::string Picture::toJson() const {
  auto entries = nlohmann::json::array();
  for (const auto& [key, entry] : entries_)
    entries.push_back({key, entry.value, entry.created, entry.revision, entry.lease});
  return nlohmann::json{{"prefix", prefix_}, {"entries", std::move(entries)}}.dump(
      -1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<Picture> Picture::parse(const std::string& prefix, std::string_view json) {
  const auto root = nlohmann::json::parse(json, nullptr, false);
  const auto wrong = [](const char* what) { return fail(what, Error::Kind::invalid); };
  if (!root.is_object() || root.value("prefix", nlohmann::json()) != prefix)
    return wrong("no picture of this prefix");
  Picture out(prefix);
  const auto entries = root.value("entries", nlohmann::json());
  if (!entries.is_array()) return wrong("no list of entries");
  for (const auto& one : entries) {
    const bool good = one.is_array() && one.size() == 5 && one[0].is_string() && one[1].is_string() &&
                      one[2].is_number_integer() && one[3].is_number_integer() && one[4].is_number_integer();
    if (!good) return wrong("an entry is not [key, value, created, revision, lease]");
    out.entries_[one[0]] = {
        .key = one[0], .value = one[1], .created = one[2], .revision = one[3], .lease = one[4]};
  }
  return out;
}

}  // namespace twill::etcd
