// SPDX-License-Identifier: Apache-2.0
#include "cloud/aws/answers.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "cloud/refusals.hpp"

namespace twill::cloud::aws {
namespace {

constexpr std::array kMeanings{
    Meaning{"RouteAlreadyExists", Kind::exists},
    Meaning{"InvalidRoute.NotFound", Kind::missing},
    Meaning{"RouteLimitExceeded", Kind::quota},
    Meaning{"RequestLimitExceeded", Kind::throttled},
    Meaning{"EC2ThrottledException", Kind::throttled},
    Meaning{"Throttling", Kind::throttled},
    Meaning{"ThrottlingException", Kind::throttled},
    Meaning{"ThrottledException", Kind::throttled},
    Meaning{"RequestThrottled", Kind::throttled},
    Meaning{"RequestThrottledException", Kind::throttled},
    Meaning{"BandwidthLimitExceeded", Kind::throttled},
    Meaning{"InternalError", Kind::transient},
    Meaning{"InternalFailure", Kind::transient},
    Meaning{"ServiceUnavailable", Kind::transient},
    Meaning{"Unavailable", Kind::transient},
    Meaning{"RequestTimeout", Kind::transient},
    Meaning{"RequestTimeoutException", Kind::transient},
    Meaning{"IncorrectState", Kind::transient},
    Meaning{"RequestExpired", Kind::auth},
    Meaning{"UnauthorizedOperation", Kind::auth},
    Meaning{"AccessDenied", Kind::auth},
    Meaning{"AccessDeniedException", Kind::auth},
    Meaning{"AuthFailure", Kind::auth},
    Meaning{"SignatureDoesNotMatch", Kind::auth},
    Meaning{"ExpiredToken", Kind::auth},
    Meaning{"ExpiredTokenException", Kind::auth},
    Meaning{"InvalidClientTokenId", Kind::auth},
    Meaning{"MissingAuthenticationToken", Kind::auth},
    Meaning{"OptInRequired", Kind::auth},
};

std::string adviceFor(const std::string& action, const std::string& code, Kind kind) {
  if (code == "UnauthorizedOperation" || code == "AccessDenied" || code == "AccessDeniedException")
    return fmt::format("; allow ec2:{} to this node's role (docs/aws.md has the policy)", action);
  if (kind == Kind::auth)
    return "; look at this node's credentials and clock (docs/aws.md tells where they come from)";
  if (kind == Kind::quota)
    return "; ask AWS for more routes in a route table (Service Quotas, L-93826ACB), or use another backend "
           "for a cluster of this size";
  if (kind == Kind::throttled) return "; the account's other tools share that limit";
  if (kind == Kind::permanent && action != "DescribeInstances")
    return "; look at Backend.RouteTableID and at the table in the VPC console";
  return "";
}

bool isInside(const std::vector<Prefix>& networks, const Prefix& dst) {
  return std::any_of(networks.begin(), networks.end(),
                     [&](const Prefix& network) { return network.contains(dst); });
}

Interface interfaceOf(const Element& item) {
  const Element* attachment = item.child("attachment");
  Interface out{.id = item.textOf("networkInterfaceId"),
                .subnet = item.textOf("subnetId"),
                .vpc = item.textOf("vpcId"),
                .instance = attachment == nullptr ? "" : attachment->textOf("instanceId"),
                .sourceDestCheck = item.textOf("sourceDestCheck") != "false",
                .addresses = {}};
  for (const Element* one : item.items("privateIpAddressesSet"))
    out.addresses.push_back(one->textOf("privateIpAddress"));
  for (const Element* one : item.items("ipv6AddressesSet"))
    out.addresses.push_back(one->textOf("ipv6Address"));
  return out;
}

std::string targetOf(const Element& route) {
  for (const char* key : {"networkInterfaceId", "gatewayId", "natGatewayId", "transitGatewayId",
                          "vpcPeeringConnectionId", "egressOnlyInternetGatewayId", "localGatewayId",
                          "carrierGatewayId", "coreNetworkArn", "instanceId"}) {
    if (std::string target = route.textOf(key); !target.empty()) return target;
  }
  return "nothing";
}

}  // namespace

bool Interface::has(const IpAddress& address) const {
  return std::any_of(addresses.begin(), addresses.end(), [&](const std::string& text) {
    const auto one = IpAddress::parse(text);
    return one && *one == address;
  });
}

std::vector<Interface> interfacesIn(const Element& answer) {
  std::vector<Interface> out;
  for (const Element* item : answer.items("networkInterfaceSet")) out.push_back(interfaceOf(*item));
  return out;
}

std::vector<Interface> interfacesOfInstances(const Element& answer) {
  std::vector<Interface> out;
  for (const Element* reservation : answer.items("reservationSet")) {
    for (const Element* instance : reservation->items("instancesSet")) {
      for (const Element* item : instance->items("networkInterfaceSet")) {
        out.push_back(interfaceOf(*item));
        out.back().instance = instance->textOf("instanceId");
      }
    }
  }
  return out;
}

std::vector<std::string> tablesIn(const Element& answer) {
  std::vector<std::string> out;
  for (const Element* table : answer.items("routeTableSet")) out.push_back(table->textOf("routeTableId"));
  return out;
}

std::vector<Route> routesIn(const Element& answer, const std::vector<Prefix>& networks) {
  std::vector<Route> out;
  for (const Element* table : answer.items("routeTableSet")) {
    for (const Element* item : table->items("routeSet")) {
      std::string text = item->textOf("destinationCidrBlock");
      if (text.empty()) text = item->textOf("destinationIpv6CidrBlock");
      const auto dst = Prefix::parse(text);
      if (!dst || !isInside(networks, *dst)) continue;
      Route route{.dst = *dst, .table = table->textOf("routeTableId"), .id = {}, .target = targetOf(*item)};
      if (item->textOf("state") == "blackhole") route.state = Route::State::blackhole;
      const std::string origin = item->textOf("origin");
      route.ours = origin == "CreateRoute" && !item->textOf("networkInterfaceId").empty();
      route.extra = origin == "EnableVgwRoutePropagation";
      out.push_back(std::move(route));
    }
  }
  return out;
}

std::vector<Usage> usageIn(const Element& answer) {
  std::vector<Usage> out;
  for (const Element* table : answer.items("routeTableSet")) {
    const auto routes = table->items("routeSet");
    const auto counts = std::count_if(routes.begin(), routes.end(), [](const Element* route) {
      return route->textOf("origin") != "EnableVgwRoutePropagation";  // has a limit of its own
    });
    out.push_back({table->textOf("routeTableId"), static_cast<std::size_t>(counts), 0});
  }
  return out;
}

Refused refusedIn(const HttpResponse& response) {
  Refused out{.code = fmt::format("HTTP {}", response.status), .message = {}};
  const auto root = parseXml(response.body);
  if (!root) return out;
  const Element* error = root->child("Error");  // as STS has it
  if (const Element* errors = root->child("Errors"); errors != nullptr) error = errors->child("Error");
  if (error == nullptr) return out;
  if (std::string code = error->textOf("Code"); !code.empty()) out.code = quoted(std::move(code), 100);
  out.message = error->textOf("Message");
  if (const auto encoded = out.message.find(" Encoded authorization failure"); encoded != std::string::npos)
    out.message.resize(encoded);
  out.message = quoted(std::move(out.message), 500);
  return out;
}

bool isStale(const Refused& refused) {
  return refused.code == "ExpiredToken" || refused.code == "ExpiredTokenException" ||
         refused.code == "InvalidClientTokenId" || refused.code == "AuthFailure";
}

bool isClockSkew(const Refused& refused) {
  return refused.code == "RequestExpired" || refused.code == "RequestInTheFuture" ||
         refused.code == "RequestTimeTooSkewed" || refused.code == "SignatureDoesNotMatch";
}

Outcome outcomeOf(const std::string& action, const HttpResponse& response) {
  if (response.status == 200) return {};
  const Refused refused = refusedIn(response);
  const Kind kind = kindOf(kMeanings, refused.code, response.status);
  Outcome out{
      .kind = kind,
      .text = fmt::format("EC2 {}: {}{}{}{}", action, refused.code, refused.message.empty() ? "" : ": ",
                          refused.message, adviceFor(action, refused.code, kind))};
  out.after = retryAfter(response);
  return out;
}

}  // namespace twill::cloud::aws
