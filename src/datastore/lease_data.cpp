// SPDX-License-Identifier: Apache-2.0
#include "datastore/lease_data.hpp"

#include <nlohmann/json.hpp>

namespace twill {

std::string toData(const Lease& lease) {
  Lease kept = lease;
  kept.subnet.reset();
  kept.subnet6.reset();
  return toJson(kept);
}

Result<Lease> leaseFrom(const std::string& data, const std::optional<Prefix>& subnet,
                        const std::optional<Prefix>& subnet6) {
  auto entry = nlohmann::json::parse(data, nullptr, false);
  if (!entry.is_object()) return fail("not a JSON object", Error::Kind::invalid);
  const auto put = [&entry](const char* key, const std::optional<Prefix>& prefix) {
    if (prefix)
      entry[key] = prefix->text();
    else
      entry.erase(key);
  };
  put("Subnet", subnet);
  put("IPv6Subnet", subnet6);
  TWILL_TRY(auto leases, parseLeases(nlohmann::json{{"Leases", {entry}}}.dump()));
  return leases.front();
}

}  // namespace twill
