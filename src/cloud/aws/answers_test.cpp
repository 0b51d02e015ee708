// SPDX-License-Identifier: Apache-2.0
#include "cloud/aws/answers.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

namespace twill::cloud::aws {
namespace {

Element xml(const std::string& text) {
  auto root = parseXml(text);
  REQUIRE(root);
  return *root;
}

HttpResponse refused(const char* code, const char* message = "why", long status = 400) {
  return {.status = status,
          .body = fmt::format("<Response><Errors><Error><Code>{}</Code><Message>{}</Message></Error></Errors>"
                              "<RequestID>r</RequestID></Response>",
                              code, message),
          .headers = {}};
}

constexpr const char* kTables =
    "<DescribeRouteTablesResponse><routeTableSet><item><routeTableId>rtb-1</routeTableId><routeSet>"
    "<item><destinationCidrBlock>10.0.0.0/16</destinationCidrBlock><gatewayId>local</gatewayId>"
    "<state>active</state><origin>CreateRouteTable</origin></item>"
    "<item><destinationCidrBlock>10.244.1.0/24</destinationCidrBlock><instanceId>i-1</instanceId>"
    "<networkInterfaceId>eni-1</networkInterfaceId><state>active</state><origin>CreateRoute</origin></item>"
    "<item><destinationCidrBlock>10.244.2.0/24</destinationCidrBlock>"
    "<networkInterfaceId>eni-2</networkInterfaceId><state>blackhole</state><origin>CreateRoute</origin></"
    "item>"
    "<item><destinationCidrBlock>10.244.3.0/24</destinationCidrBlock><transitGatewayId>tgw-1"
    "</transitGatewayId><state>active</state><origin>CreateRoute</origin></item>"
    "<item><destinationCidrBlock>10.244.4.0/24</destinationCidrBlock><gatewayId>vgw-1</gatewayId>"
    "<state>active</state><origin>EnableVgwRoutePropagation</origin></item>"
    "<item><destinationIpv6CidrBlock>fd42:0:0:1::/64</destinationIpv6CidrBlock>"
    "<networkInterfaceId>eni-1</networkInterfaceId><state>active</state><origin>CreateRoute</origin></item>"
    "<item><destinationPrefixListId>pl-1</destinationPrefixListId><gatewayId>vpce-1</gatewayId></item>"
    "</routeSet></item></routeTableSet></DescribeRouteTablesResponse>";

TEST_CASE("a table's entries: whose they are and where they lead") {
  const Element answer = xml(kTables);
  CHECK(tablesIn(answer) == std::vector<std::string>{"rtb-1"});
  const auto routes = routesIn(answer, {*Prefix::parse("10.244.0.0/16"), *Prefix::parse("fd42::/48")});
  REQUIRE(routes.size() == 5);
  CHECK(routes[0] == Route{.dst = *Prefix::parse("10.244.1.0/24"),
                           .table = "rtb-1",
                           .id = "",
                           .target = "eni-1",
                           .state = Route::State::active,
                           .ours = true});
  CHECK(routes[1].state == Route::State::blackhole);
  CHECK(routes[2].target == "tgw-1");
  CHECK_FALSE(routes[2].ours);
  CHECK_FALSE(routes[2].extra);
  CHECK(routes[3].extra);
  CHECK(routes[4].dst.text() == "fd42:0:0:1::/64");
  // What a gateway propagates has a limit of its own.
  CHECK(usageIn(answer)[0].used == 6);
}

TEST_CASE("interfaces") {
  const auto one = interfacesOfInstances(xml(
      "<R><reservationSet><item><instancesSet><item><instanceId>i-1</instanceId><networkInterfaceSet><item>"
      "<networkInterfaceId>eni-1</networkInterfaceId><subnetId>s</subnetId><vpcId>v</vpcId>"
      "<sourceDestCheck>false</sourceDestCheck><privateIpAddressesSet><item><privateIpAddress>10.0.0.9"
      "</privateIpAddress></item></privateIpAddressesSet><ipv6AddressesSet><item><ipv6Address>fd00:0::9"
      "</ipv6Address></item></ipv6AddressesSet></item></networkInterfaceSet></item></instancesSet></item>"
      "</reservationSet></R>"));
  REQUIRE(one.size() == 1);
  CHECK(one[0].instance == "i-1");
  CHECK_FALSE(one[0].sourceDestCheck);
  CHECK(one[0].has(*IpAddress::parse("10.0.0.9")));
  CHECK(one[0].has(*IpAddress::parse("fd00::9")));
  CHECK_FALSE(one[0].has(*IpAddress::parse("10.0.0.8")));
  CHECK(interfacesOfInstances(xml("<R/>")).empty());
  CHECK(interfacesIn(xml("<R/>")).empty());
}

TEST_CASE("refusals: what they mean and what to do next") {
  const auto kind = [](const HttpResponse& response) { return outcomeOf("CreateRoute", response).kind; };
  CHECK(kind({.status = 200, .body = "", .headers = {}}) == Kind::done);
  CHECK(kind(refused("RouteAlreadyExists")) == Kind::exists);
  CHECK(kind(refused("InvalidRoute.NotFound")) == Kind::missing);
  CHECK(kind(refused("RouteLimitExceeded")) == Kind::quota);
  CHECK(kind(refused("RequestLimitExceeded", "", 503)) == Kind::throttled);
  CHECK(kind(refused("Throttling")) == Kind::throttled);
  CHECK(kind(refused("InternalError", "", 500)) == Kind::transient);
  CHECK(kind(refused("UnauthorizedOperation", "", 403)) == Kind::auth);
  CHECK(kind(refused("InvalidRouteTableID.NotFound")) == Kind::permanent);
  CHECK(kind({.status = 502, .body = "<html>bad gateway", .headers = {}}) == Kind::transient);
  CHECK(kind({.status = 429, .body = "", .headers = {}}) == Kind::throttled);

  const auto denied =
      outcomeOf("CreateRoute",
                refused("UnauthorizedOperation",
                        "You are not authorized. Encoded authorization failure message: AQIDsecret", 403));
  CHECK(denied.text.find("allow ec2:CreateRoute") != std::string::npos);
  CHECK(denied.text.find("AQID") == std::string::npos);
  CHECK(outcomeOf("CreateRoute", refused("RouteLimitExceeded")).text.find("L-93826ACB") != std::string::npos);

  HttpResponse later = refused("RequestLimitExceeded", "", 503);
  later.headers["retry-after"] = "7";
  CHECK(outcomeOf("CreateRoute", later).after == std::chrono::seconds(7));
  later.headers["retry-after"] = "999999999999";
  CHECK(outcomeOf("CreateRoute", later).after <= std::chrono::seconds(300));
  CHECK(isClockSkew(refusedIn(refused("RequestExpired"))));
  CHECK(isStale(refusedIn(refused("ExpiredToken"))));
}

}  // namespace
}  // namespace twill::cloud::aws
