// SPDX-License-Identifier: Apache-2.0
#include "agent/lease_view.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace twill {

using Json = nlohmann::ordered_json;

namespace {

Json textOrNull(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

template <class Value>
Json textOrNull(const std::optional<Value>& value) {
  return value ? Json(value->text()) : Json(nullptr);
}

}  // namespace

Json leaseView(const Lease& lease, const Administration::Tenure* tenure) {
  Json out{{"node", textOrNull(lease.node)},
           {"subnet", textOrNull(lease.subnet)},
           {"subnet6", textOrNull(lease.subnet6)},
           {"public_ip", textOrNull(lease.publicIp)},
           {"public_ip6", textOrNull(lease.publicIp6)},
           {"backend", textOrNull(lease.backendType)},
           {"backend_data", nullptr},
           {"backend_v6_data", nullptr},
           {"reserved", nullptr},
           {"ttl_seconds", nullptr},
           {"age_seconds", nullptr}};
  const auto put = [&out](const char* key, const std::string& text) {
    if (!text.empty()) out[key] = Json::parse(text, nullptr, false);
  };
  put("backend_data", lease.backendData);
  put("backend_v6_data", lease.backendV6Data);
  if (tenure == nullptr) return out;
  out["reserved"] = !tenure->left.has_value();
  if (tenure->left) out["ttl_seconds"] = *tenure->left;
  if (tenure->left && tenure->granted)
    out["age_seconds"] = std::max<std::int64_t>(*tenure->granted - *tenure->left, 0);
  return out;
}

}  // namespace twill
