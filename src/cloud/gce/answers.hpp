// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "cloud/cloud_routes.hpp"
#include "cloud/http.hpp"

/// What the Compute Engine API's answers mean, and how routes are called there. Pure. Source: the API's
/// reference, version v1.
namespace twill::cloud::gce {

/// "twill-10-40-12-0-24" for 10.40.12.0/24.
[[nodiscard]] std::string nameOf(const Prefix& dst);
/// Another name for the same destination, since a route is never changed, but made anew under another name
/// before the old one goes.
[[nodiscard]] std::string otherNameOf(const Prefix& dst, std::string_view name);
/// Whether a route to `dst` of that name is a node's: Twill's, or flannel's ("flannel-10-40-12-0-24").
[[nodiscard]] bool isNodeRoute(const Prefix& dst, std::string_view name);

/// A resource's URL from "projects/" on, so that all spellings of its host are equal.
[[nodiscard]] std::string pathOf(std::string_view url);

/// The routes of a page of a list whose destination lies inside one of `networks`.
[[nodiscard]] std::vector<Route> routesIn(const nlohmann::json& page, const std::vector<Prefix>& networks);

/// This node's instance.
struct Instance {
  std::string network;  ///< path of the one that the address is in; empty: no interface has it
  bool canIpForward = false;
};
[[nodiscard]] Instance instanceIn(const nlohmann::json& answer, const IpAddress& address);

/// Of a call: `what` names it.
[[nodiscard]] Outcome outcomeOf(const std::string& what, const HttpResponse& response);
/// Of an operation that is over.
[[nodiscard]] Outcome outcomeOfOperation(const std::string& what, const nlohmann::json& operation);

/// A member of an object that is a string; "" when there is none.
[[nodiscard]] std::string textIn(const nlohmann::json& object, const char* key);

}  // namespace twill::cloud::gce
