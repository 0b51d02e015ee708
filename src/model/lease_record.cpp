// SPDX-License-Identifier: Apache-2.0
#include "model/lease_record.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "model/json_read.hpp"

namespace twill {
namespace {

/// etcd takes no larger request by default.
constexpr std::size_t kLongestValue = 1536U << 10U;

/// "10.5.51.0-24": a prefix whose slash is a hyphen. `most`: flannel's limit of the length.
Result<Prefix> parseSubnet(std::string_view text, Family family, int most) {
  const auto hyphen = text.rfind('-');
  const auto refuse = [&] {
    return fail(fmt::format("'{}' is no subnet; expected {}", text,
                            family == Family::v4 ? "10.5.51.0-24" : "fd05:0:0:18::-64"),
                Error::Kind::invalid);
  };
  if (hyphen == std::string_view::npos) return refuse();
  const auto prefix = Prefix::parse(fmt::format("{}/{}", text.substr(0, hyphen), text.substr(hyphen + 1)));
  if (!prefix || prefix->family() != family || prefix->length() > most) return refuse();
  return *prefix;
}

std::string keyText(const Prefix& prefix) {
  return fmt::format("{}-{}", prefix.address().text(), prefix.length());
}

Result<void> readData(json::Object object, std::string_view key, std::string& into) {
  const auto value = json::find(object, key);
  if (!value) return {};
  if (!value->is_object() && !value->is_string()) {
    return json::unexpected(key, *value, "an object or text in quotes");
  }
  into = simdjson::minify(*value);
  return {};
}

Result<void> readAddress(json::Object object, std::string_view key, Family family,
                         std::optional<IpAddress>& into) {
  if (const auto value = json::find(object, key)) {
    TWILL_TRY(into, json::address(key, *value, family));
  }
  return {};
}

Result<void> readValue(std::string_view text, Lease& lease) {
  simdjson::dom::parser parser;
  TWILL_TRY(const json::Value root, json::parse(parser, text, kLongestValue));
  TWILL_TRY(const json::Object object, json::object("the value", root));
  TWILL_CHECK(readAddress(object, "PublicIP", Family::v4, lease.publicIp));
  TWILL_CHECK(readAddress(object, "PublicIPv6", Family::v6, lease.publicIp6));
  if (const auto type = json::find(object, "BackendType")) {
    TWILL_TRY(const std::string_view name, json::text("BackendType", *type));
    lease.backendType = name;
  }
  TWILL_CHECK(readData(object, "BackendData", lease.backendData));
  return readData(object, "BackendV6Data", lease.backendV6Data);
}

}  // namespace

Result<LeaseRecord> toRecord(const Lease& lease) {
  if (!lease.subnet)
    return fail("a lease in etcd needs an IPv4 subnet, as flannel's do", Error::Kind::invalid);
  using Json = nlohmann::ordered_json;
  LeaseRecord record{.key = keyText(*lease.subnet), .value = {}};
  if (lease.subnet6) record.key += "&" + keyText(*lease.subnet6);
  Json value;
  value["PublicIP"] = lease.publicIp ? Json(lease.publicIp->text()) : Json(nullptr);
  value["PublicIPv6"] = lease.publicIp6 ? Json(lease.publicIp6->text()) : Json(nullptr);
  if (!lease.backendType.empty() && lease.backendType != "udp") value["BackendType"] = lease.backendType;
  const auto putData = [&value](const char* key, const std::string& text) {
    if (!text.empty()) value[key] = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  };
  putData("BackendData", lease.backendData);
  putData("BackendV6Data", lease.backendV6Data);
  record.value = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  return record;
}

Result<Lease> parseRecord(std::string_view key, std::string_view value) {
  Lease lease;
  const auto both = key.find('&');
  const auto read = [&]() -> Result<void> {
    TWILL_TRY(lease.subnet, parseSubnet(key.substr(0, both), Family::v4, 31));
    if (both != std::string_view::npos) {
      TWILL_TRY(lease.subnet6, parseSubnet(key.substr(both + 1), Family::v6, 127));
    }
    return readValue(value, lease);
  }();
  if (!read) return Failure(Error(read.error()).in(fmt::format("the lease '{}'", key.substr(0, 100))));
  return lease;
}

}  // namespace twill
