// SPDX-License-Identifier: Apache-2.0
// Whatever stands in etcd under flannel's prefix, and in the picture on disk, is an error or leases that are
// written back as they were read. A line of the input is a key, the next one its value.
#include <cstdint>
#include <cstdlib>

#include "datastore/etcd/picture.hpp"
#include "model/lease_record.hpp"

using namespace twill;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

std::string takeLine(std::string_view& text) {
  const auto end = std::min(text.find('\n'), text.size());
  std::string line(text.substr(0, end));
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

void checkRecord(const std::string& key, const std::string& value) {
  const auto lease = parseRecord(key, value);
  if (!lease) {
    require(!lease.error().text.empty() && lease.error().text.size() < 1000);
    return;
  }
  const auto record = toRecord(*lease);
  require(record.has_value());
  auto again = parseRecord(record->key, record->value);
  require(again && again->subnet == lease->subnet && again->publicIp == lease->publicIp &&
          again->publicIp6 == lease->publicIp6);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)etcd::Picture::parse("/p", text);
  etcd::Listing listing{.revision = 1, .entries = {}};
  listing.entries.push_back({.key = "/p/config", .value = R"({"Network":"10.0.0.0/8"})"});
  while (!text.empty()) {
    const std::string key = takeLine(text);
    const std::string value = takeLine(text);
    checkRecord(key, value);
    listing.entries.push_back({.key = "/p/subnets/" + key, .value = value, .created = 1, .revision = 1});
    listing.entries.push_back({.key = "/p/twill/nodes/" + key, .value = value, .created = 1, .revision = 1});
  }
  etcd::Picture picture("/p");
  picture.replace(listing);
  std::set<std::string> unreadable;
  const auto cluster = picture.cluster(unreadable);
  require(cluster.has_value());
  (void)makeSound(*cluster);
  const auto kept = etcd::Picture::parse("/p", picture.toJson());
  require(kept.has_value());
  return 0;
}
