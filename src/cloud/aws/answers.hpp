// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloud/aws/xml.hpp"
#include "cloud/cloud_routes.hpp"
#include "cloud/http.hpp"

/// What EC2's answers mean. Pure. Source: the service model of API version 2016-11-15, and the EC2 API
/// reference's list of error codes.
namespace twill::cloud::aws {

/// A network interface of an instance.
struct Interface {
  std::string id, subnet, vpc, instance;
  bool sourceDestCheck = true;
  std::vector<std::string> addresses;

  [[nodiscard]] bool has(const IpAddress& address) const;
};
/// Of a DescribeNetworkInterfaces answer.
[[nodiscard]] std::vector<Interface> interfacesIn(const Element& answer);
/// Of a DescribeInstances answer, of all its instances.
[[nodiscard]] std::vector<Interface> interfacesOfInstances(const Element& answer);

/// The ids of a DescribeRouteTables answer's tables.
[[nodiscard]] std::vector<std::string> tablesIn(const Element& answer);
/// Their entries that lie inside one of `networks`. Foreign to Twill is what leads to no instance's interface
/// or was not made by CreateRoute; what a gateway propagates is extra.
[[nodiscard]] std::vector<Route> routesIn(const Element& answer, const std::vector<Prefix>& networks);
/// How many entries each has.
[[nodiscard]] std::vector<Usage> usageIn(const Element& answer);

/// What is said of a call that was refused.
struct Refused {
  std::string code;     ///< "UnauthorizedOperation"; the HTTP status when there is none
  std::string message;  ///< without the encoded part, which only AWS can read
};
[[nodiscard]] Refused refusedIn(const HttpResponse& response);
/// `action`: what was called.
[[nodiscard]] Outcome outcomeOf(const std::string& action, const HttpResponse& response);
/// The credentials have run out, or are no good any more: others may be.
[[nodiscard]] bool isStale(const Refused& refused);
/// Our clock and AWS's are too far apart for its signature to hold.
[[nodiscard]] bool isClockSkew(const Refused& refused);

}  // namespace twill::cloud::aws
