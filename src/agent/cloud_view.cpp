// SPDX-License-Identifier: Apache-2.0
#include "agent/cloud_view.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace twill {
namespace {

using Json = nlohmann::ordered_json;

Json selfJson(const std::optional<cloud::Self>& self) {
  if (!self) return nullptr;
  return {{"place", self->place},
          {"network", self->network},
          {"instance", self->instance},
          {"target", self->target},
          {"tables", self->tables}};
}

Json usageJson(const cloud::Usage& usage) {
  return {{"table", usage.table},
          {"used", usage.used},
          {"allowed", usage.allowed == 0 ? Json(nullptr) : Json(usage.allowed)}};
}

}  // namespace

Json cloudView(const std::optional<cloud::Status>& status) {
  if (!status) return nullptr;
  Json usage = Json::array();
  for (const cloud::Usage& one : status->usage) usage.push_back(usageJson(one));
  Json calls = Json::array();
  for (const auto& [call, count] : status->calls)
    calls.push_back({{"call", call.first}, {"outcome", cloud::textOf(call.second)}, {"count", count}});
  Json checked = nullptr;
  if (status->checkedAt) {
    const auto seconds = std::chrono::system_clock::to_time_t(*status->checkedAt);
    checked = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(seconds));
  }
  return {{"type", status->type},  {"self", selfJson(status->self)}, {"in_place", status->inPlace},
          {"checked_at", checked}, {"routes", status->routes},       {"usage", usage},
          {"calls", calls}};
}

}  // namespace twill
