// SPDX-License-Identifier: Apache-2.0
#include "datastore/etcd/registry.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/fnv.hpp"
#include "model/json_read.hpp"

namespace twill::etcd {
namespace {

constexpr std::size_t kLongest = 4096;

Result<Registration> parse(const KeyValue& entry) {
  Registration out{.key = entry.key, .created = entry.created, .touched = entry.revision};
  simdjson::dom::parser parser;
  TWILL_TRY(const json::Value root, json::parse(parser, entry.value, kLongest));
  TWILL_TRY(const json::Object object, json::object("the value", root));
  const auto node = json::find(object, "Node");
  if (!node) return fail("no Node", Error::Kind::invalid);
  TWILL_TRY(out.node, json::text("Node", *node));
  if (const auto value = json::find(object, "PublicIP")) {
    TWILL_TRY(out.publicIp, json::address("PublicIP", *value, Family::v4));
  }
  if (const auto value = json::find(object, "PublicIPv6")) {
    TWILL_TRY(out.publicIp6, json::address("PublicIPv6", *value, Family::v6));
  }
  if (const auto value = json::find(object, "BackendType")) {
    TWILL_TRY(out.backendType, json::text("BackendType", *value));
  }
  if (const auto value = json::find(object, "BackendData")) out.backendData = simdjson::minify(*value);
  return out;
}

std::string described(const Registration& one) {
  return fmt::format("{} ({})", one.node,
                     one.publicIp    ? one.publicIp->text()
                     : one.publicIp6 ? one.publicIp6->text()
                                     : "no address");
}

}  // namespace

bool Registration::isRivalOf(const Registration& other) const {
  return key != other.key && (node == other.node || (publicIp && publicIp == other.publicIp) ||
                              (publicIp6 && publicIp6 == other.publicIp6));
}

bool isInRegistry(const Lease& lease) {
  return lease.backendType == "udp";
}

Write registrationOf(const Lease& mine, const std::string& machine, const std::string& registryPrefix) {
  std::string name = mine.node;
  std::replace(name.begin(), name.end(), '/', '_');
  nlohmann::ordered_json value;
  value["Node"] = mine.node;
  if (mine.publicIp) value["PublicIP"] = mine.publicIp->text();
  if (mine.publicIp6) value["PublicIPv6"] = mine.publicIp6->text();
  if (isInRegistry(mine)) {
    value["BackendType"] = mine.backendType;
    if (!mine.backendData.empty())
      value["BackendData"] = nlohmann::ordered_json::parse(mine.backendData, nullptr, false);
  }
  return {.key = fmt::format("{}{}-{:016x}", registryPrefix, name, fnv1a(machine + '/' + mine.node)),
          .value = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)};
}

Registry::Registry(const Picture& picture) {
  for (const KeyValue* entry : picture.under(picture.registryPrefix())) {
    if (auto one = parse(*entry)) all_.push_back(std::move(*one));
  }
  std::sort(all_.begin(), all_.end(), [](const Registration& a, const Registration& b) {
    return std::tie(a.created, a.key) < std::tie(b.created, b.key);
  });
  for (std::size_t i = 0; i < all_.size(); ++i) {
    for (const auto& address : {all_[i].publicIp, all_[i].publicIp6}) {
      if (address) first_.emplace(*address, i);
    }
  }
}

const Registration* Registry::at(const Lease& lease) const {
  const auto& address = lease.publicIp ? lease.publicIp : lease.publicIp6;
  const auto found = address ? first_.find(*address) : first_.end();
  return found == first_.end() ? nullptr : &all_[found->second];
}

std::string Registry::nodeAt(const Lease& lease) const {
  const Registration* one = at(lease);
  return one == nullptr ? std::string() : one->node;
}

void Registry::complete(Lease& lease) const {
  const Registration* one = at(lease);
  if (one == nullptr) return;
  lease.node = one->node;
  if (!lease.backendType.empty() || one->backendType.empty()) return;
  lease.backendType = one->backendType;
  if (lease.backendData.empty()) lease.backendData = one->backendData;
}

const Registration* Registry::find(const std::string& key) const {
  const auto found = std::find_if(all_.begin(), all_.end(), [&](const auto& one) { return one.key == key; });
  return found == all_.end() ? nullptr : &*found;
}

std::vector<Registration> Registry::rivalsOf(const Registration& mine) const {
  std::vector<Registration> out;
  std::copy_if(all_.begin(), all_.end(), std::back_inserter(out),
               [&](const Registration& one) { return one.isRivalOf(mine); });
  return out;
}

/// By name and by address, so that many nodes take no pairwise comparison.
std::vector<std::string> Registry::rivalries() const {
  std::map<std::string, const Registration*> first;
  std::vector<std::string> out;
  for (const Registration& one : all_) {
    std::vector<std::string> claims{one.node};
    for (const auto& address : {one.publicIp, one.publicIp6}) {
      if (address) claims.push_back(address->text());
    }
    for (const auto& claim : claims) {
      const auto [at, isFirst] = first.emplace(claim, &one);
      if (isFirst) continue;
      out.push_back(
          fmt::format("two nodes are registered in etcd as {}: {} and {}. The first keeps it, the other gets "
                      "no lease: give "
                      "it {}, or end one of them",
                      claim, described(*at->second), described(one),
                      claim == one.node ? "another name by --node-name"
                                        : "an address of its own (--iface, --public-ip)"));
      break;
    }
  }
  return out;
}

}  // namespace twill::etcd
