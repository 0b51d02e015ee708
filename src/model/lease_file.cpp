// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "model/cluster.hpp"
#include "model/json_read.hpp"

namespace twill {
namespace {

constexpr std::size_t kLongestText = 64U << 20U;

/// A backend's own data: kept as text, looked into by that backend only.
Result<std::string> data(std::string_view key, json::Value value) {
  if (!value.is_object() && !value.is_string()) {
    return json::unexpected(key, value, "an object or text in quotes");
  }
  return simdjson::minify(value);
}

struct LeaseKey {
  std::string_view name;
  Result<void> (*read)(std::string_view key, json::Value value, Lease& lease);
};

template <auto Member, auto Read, auto... Arguments>
Result<void> readInto(std::string_view key, json::Value value, Lease& lease) {
  TWILL_TRY(lease.*Member, Read(key, value, Arguments...));
  return {};
}

constexpr std::array<LeaseKey, 8> kKeys{{
    {"Node", readInto<&Lease::node, json::name>},
    {"Subnet", readInto<&Lease::subnet, json::prefix, Family::v4>},
    {"IPv6Subnet", readInto<&Lease::subnet6, json::prefix, Family::v6>},
    {"PublicIP", readInto<&Lease::publicIp, json::address, Family::v4>},
    {"PublicIPv6", readInto<&Lease::publicIp6, json::address, Family::v6>},
    {"BackendType", readInto<&Lease::backendType, json::name>},
    {"BackendData", readInto<&Lease::backendData, data>},
    {"BackendV6Data", readInto<&Lease::backendV6Data, data>},
}};

Result<void> readKey(std::string_view key, json::Value value, unsigned& seen, Lease& lease) {
  for (std::size_t i = 0; i < kKeys.size(); ++i) {
    if (!json::sameKey(kKeys[i].name, key)) continue;
    if ((std::exchange(seen, seen | 1U << i) >> i & 1U) != 0) {
      return fail(fmt::format("{} is there twice; expected it once", kKeys[i].name), Error::Kind::invalid);
    }
    return value.is_null() ? Result<void>{} : kKeys[i].read(kKeys[i].name, value, lease);
  }
  return {};
}

Result<void> readLease(json::Value value, Lease& lease) {
  TWILL_TRY(json::Object object, json::object("the entry", value));
  unsigned seen = 0;
  for (auto field : object) TWILL_CHECK(readKey(field.key, field.value, seen, lease));
  if (lease.name().empty()) {
    return fail("neither Node nor Subnet nor PublicIP is set; expected at least a Node and its PublicIP",
                Error::Kind::invalid);
  }
  if (!lease.subnet && !lease.subnet6 && !lease.publicIp && !lease.publicIp6) {
    return fail(
        "neither a subnet nor an address is set; expected Subnet and PublicIP, or IPv6Subnet and "
        "PublicIPv6",
        Error::Kind::invalid);
  }
  return {};
}

/// The array under "Leases".
Result<simdjson::dom::array> leasesOf(json::Value root) {
  TWILL_TRY(json::Object object, json::object("the lease file", root));
  auto value = json::find(object, "Leases");
  if (!value) return fail("Leases is missing; expected {\"Leases\": [...]}", Error::Kind::invalid);
  simdjson::dom::array entries;
  if (value->get(entries) != simdjson::SUCCESS) return json::unexpected("Leases", *value, "an array");
  return entries;
}

std::string inQuotes(std::string_view text) {
  using Json = nlohmann::json;
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// Adds `"key":value` to an object that is still open.
void put(std::string& out, std::string_view key, std::string_view json) {
  if (out.size() > 1) out += ',';
  out += inQuotes(key);
  out += ':';
  out += json;
}

void putText(std::string& out, std::string_view key, std::string_view text) {
  if (!text.empty()) put(out, key, inQuotes(text));
}

template <class T>
void putValue(std::string& out, std::string_view key, const std::optional<T>& value) {
  if (value) put(out, key, inQuotes(value->text()));
}

/// `text` is JSON by contract; what is not goes out as a string, so that the file stays readable.
void putData(std::string& out, std::string_view key, const std::string& text) {
  if (!text.empty()) put(out, key, nlohmann::json::accept(text) ? text : inQuotes(text));
}

}  // namespace

Result<std::vector<Lease>> parseLeases(std::string_view json) {
  simdjson::dom::parser parser;
  TWILL_TRY(json::Value root, json::parse(parser, json, kLongestText));
  TWILL_TRY(simdjson::dom::array entries, leasesOf(root));
  std::vector<Lease> leases;
  leases.reserve(entries.size());
  for (json::Value entry : entries) {
    Lease& lease = leases.emplace_back();
    if (auto read = readLease(entry, lease); !read) {
      std::string where = fmt::format("Leases[{}]", leases.size() - 1);
      if (!lease.node.empty()) where += fmt::format(" ({})", lease.node);
      return Failure(std::move(read).error().in(where));
    }
  }
  return leases;
}

std::string toJson(const Lease& lease) {
  std::string out = "{";
  putText(out, "Node", lease.node);
  putValue(out, "Subnet", lease.subnet);
  putValue(out, "IPv6Subnet", lease.subnet6);
  putValue(out, "PublicIP", lease.publicIp);
  putValue(out, "PublicIPv6", lease.publicIp6);
  putText(out, "BackendType", lease.backendType);
  putData(out, "BackendData", lease.backendData);
  putData(out, "BackendV6Data", lease.backendV6Data);
  return out + "}";
}

std::string toJson(const std::vector<Lease>& leases) {
  std::string out = "{\"Leases\": [";
  for (const Lease& lease : leases) {
    out += &lease == leases.data() ? "\n  " : ",\n  ";
    out += toJson(lease);
  }
  return out + "\n]}\n";
}

}  // namespace twill
