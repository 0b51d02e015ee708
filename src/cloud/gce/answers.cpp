// SPDX-License-Identifier: Apache-2.0
#include "cloud/gce/answers.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cloud/refusals.hpp"

namespace twill::cloud::gce {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kSecond = "-2";

/// Reasons of errors, and codes of operations' errors.
constexpr std::array kMeanings{
    Meaning{"alreadyExists", Kind::exists},
    Meaning{"RESOURCE_ALREADY_EXISTS", Kind::exists},
    Meaning{"notFound", Kind::missing},
    Meaning{"RESOURCE_NOT_FOUND", Kind::missing},
    Meaning{"rateLimitExceeded", Kind::throttled},
    Meaning{"userRateLimitExceeded", Kind::throttled},
    Meaning{"RATE_LIMIT_EXCEEDED", Kind::throttled},
    Meaning{"quotaExceeded", Kind::quota},
    Meaning{"QUOTA_EXCEEDED", Kind::quota},
    Meaning{"limitExceeded", Kind::quota},
    Meaning{"LIMIT_EXCEEDED", Kind::quota},
    Meaning{"authError", Kind::auth},
    Meaning{"forbidden", Kind::auth},
    Meaning{"insufficientPermissions", Kind::auth},
    Meaning{"accessNotConfigured", Kind::auth},
    Meaning{"PERMISSIONS_ERROR", Kind::auth},
    Meaning{"resourceNotReady", Kind::transient},
    Meaning{"RESOURCE_NOT_READY", Kind::transient},
    Meaning{"backendError", Kind::transient},
    Meaning{"INTERNAL_ERROR", Kind::transient},
};

std::string adviceFor(Kind kind) {
  if (kind == Kind::auth)
    return "; the instance's service account needs the permission, and the instance the scope compute-rw "
           "(docs/gce.md has both)";
  if (kind == Kind::quota)
    return "; ask Google for more routes (IAM & Admin, Quotas, metric compute.googleapis.com/routes), or use "
           "another backend for a cluster of this size";
  return "";
}

Outcome refusal(const std::string& what, std::string code, std::string message, long status) {
  const Kind kind = kindOf(kMeanings, code, status);
  code = quoted(std::move(code), 100);
  message = quoted(std::move(message), 500);
  return {kind, fmt::format("Compute Engine {}: {}{}{}{}", what, code, message.empty() ? "" : ": ", message,
                            adviceFor(kind))};
}

/// Its instance is no more. One that is stopped, or may not forward, comes back or is mended.
bool isBlackhole(const Json& route) {
  const auto warnings = route.find("warnings");
  if (warnings == route.end() || !warnings->is_array()) return false;
  return std::any_of(warnings->begin(), warnings->end(), [](const Json& warning) {
    return warning.is_object() && textIn(warning, "code") == "NEXT_HOP_INSTANCE_NOT_FOUND";
  });
}

std::string targetOf(const Json& route) {
  for (const char* key : {"nextHopInstance", "nextHopIp", "nextHopGateway", "nextHopVpnTunnel", "nextHopIlb",
                          "nextHopNetwork", "nextHopPeering", "nextHopHub"}) {
    if (const std::string target = textIn(route, key); !target.empty()) return pathOf(target);
  }
  return "nothing";
}

}  // namespace

std::string textIn(const Json& object, const char* key) {
  if (!object.is_object()) return {};
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string nameOf(const Prefix& dst) {
  std::string name = "twill-" + dst.text();
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '.' || c == ':' || c == '/'; }, '-');
  return name;
}

std::string otherNameOf(const Prefix& dst, std::string_view name) {
  const std::string first = nameOf(dst);
  return name == first ? first + std::string(kSecond) : first;
}

bool isNodeRoute(const Prefix& dst, std::string_view name) {
  constexpr std::string_view kFlannel = "flannel-";
  constexpr std::string_view kTwill = "twill-";
  const std::string first = nameOf(dst);
  if (name == first || name == first + std::string(kSecond)) return true;
  return name.starts_with(kFlannel) && name.substr(kFlannel.size()) == first.substr(kTwill.size());
}

std::string pathOf(std::string_view url) {
  const auto begin = url.find("projects/");
  return std::string(begin == std::string_view::npos ? url : url.substr(begin));
}

std::vector<Route> routesIn(const Json& page, const std::vector<Prefix>& networks) {
  std::vector<Route> out;
  const auto items = page.find("items");
  if (items == page.end() || !items->is_array()) return out;
  for (const Json& item : *items) {
    const auto dst = Prefix::parse(textIn(item, "destRange"));
    if (!dst) continue;
    const bool inside = std::any_of(networks.begin(), networks.end(),
                                    [&](const Prefix& network) { return network.contains(*dst); });
    if (!inside) continue;
    Route route{.dst = *dst,
                .table = pathOf(textIn(item, "network")),
                .id = textIn(item, "name"),
                .target = targetOf(item)};
    route.ours = isNodeRoute(*dst, route.id) && !textIn(item, "nextHopInstance").empty();
    if (isBlackhole(item)) route.state = Route::State::blackhole;
    out.push_back(std::move(route));
  }
  return out;
}

Instance instanceIn(const Json& answer, const IpAddress& address) {
  Instance out;
  const auto forwards = answer.find("canIpForward");
  out.canIpForward = forwards != answer.end() && forwards->is_boolean() && forwards->get<bool>();
  const auto interfaces = answer.find("networkInterfaces");
  if (interfaces == answer.end() || !interfaces->is_array()) return out;
  for (const Json& one : *interfaces) {
    const auto here = IpAddress::parse(textIn(one, address.isV4() ? "networkIP" : "ipv6Address"));
    if (here && *here == address) out.network = pathOf(textIn(one, "network"));
  }
  return out;
}

Outcome outcomeOf(const std::string& what, const HttpResponse& response) {
  if (response.status >= 200 && response.status < 300) return {};
  const Json body = Json::parse(response.body, nullptr, false);
  std::string code = fmt::format("HTTP {}", response.status);
  std::string message;
  if (body.is_object() && body.contains("error") && body["error"].is_object()) {
    const Json& error = body["error"];
    message = textIn(error, "message");
    if (error.contains("errors") && error["errors"].is_array() && !error["errors"].empty())
      if (const std::string reason = textIn(error["errors"][0], "reason"); !reason.empty()) code = reason;
  }
  Outcome out = refusal(what, code, std::move(message), response.status);
  out.after = retryAfter(response);
  return out;
}

Outcome outcomeOfOperation(const std::string& what, const Json& operation) {
  const auto error = operation.find("error");
  const auto status = operation.find("httpErrorStatusCode");
  const long number = status != operation.end() && status->is_number_integer() ? status->get<long>() : 0;
  const bool refused = error != operation.end() && error->is_object() && error->contains("errors") &&
                       (*error)["errors"].is_array() && !(*error)["errors"].empty();
  if (refused) {
    const Json& first = (*error)["errors"][0];
    return refusal(what, textIn(first, "code"), textIn(first, "message"), number);
  }
  if (number >= 400)
    return refusal(what, fmt::format("HTTP {}", number), textIn(operation, "httpErrorMessage"), number);
  return {};
}

}  // namespace twill::cloud::gce
