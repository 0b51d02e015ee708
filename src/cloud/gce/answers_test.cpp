// SPDX-License-Identifier: Apache-2.0
#include "cloud/gce/answers.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

namespace twill::cloud::gce {
namespace {

using Json = nlohmann::json;

Prefix prefix(const char* text) {
  return *Prefix::parse(text);
}

TEST_CASE("a route's names: flannel's is known, and there is a second for each") {
  const Prefix four = prefix("10.40.12.0/24");
  CHECK(nameOf(four) == "twill-10-40-12-0-24");
  CHECK(nameOf(prefix("fd42:0:0:1::/64")) == "twill-fd42-0-0-1---64");
  CHECK(otherNameOf(four, "twill-10-40-12-0-24") == "twill-10-40-12-0-24-2");
  CHECK(otherNameOf(four, "twill-10-40-12-0-24-2") == "twill-10-40-12-0-24");
  CHECK(otherNameOf(four, "flannel-10-40-12-0-24") == "twill-10-40-12-0-24");
  for (const char* name : {"twill-10-40-12-0-24", "twill-10-40-12-0-24-2", "flannel-10-40-12-0-24"})
    CHECK(isNodeRoute(four, name));
  for (const char* name : {"twill-10-40-13-0-24", "mine", "flannel-10-40-12-0-24-2", "flannel-", ""})
    CHECK_FALSE(isNodeRoute(four, name));
}

TEST_CASE("a list's routes: whose they are and where they lead") {
  const Json page = Json::parse(R"({"items":[
    {"name":"flannel-10-40-12-0-24","destRange":"10.40.12.0/24","network":"https://www.googleapis.com/compute/v1/projects/p/global/networks/n",
     "nextHopInstance":"https://compute.googleapis.com/compute/v1/projects/p/zones/z/instances/a"},
    {"name":"twill-10-40-13-0-24","destRange":"10.40.13.0/24","network":"projects/p/global/networks/n",
     "nextHopInstance":"projects/p/zones/z/instances/b","warnings":[{"code":"NEXT_HOP_INSTANCE_NOT_FOUND"}]},
    {"name":"twill-10-40-14-0-24","destRange":"10.40.14.0/24","network":"projects/p/global/networks/n",
     "nextHopInstance":"projects/p/zones/z/instances/c","warnings":[{"code":"NEXT_HOP_NOT_RUNNING"}]},
    {"name":"vpn","destRange":"10.40.15.0/24","network":"projects/p/global/networks/n","nextHopVpnTunnel":"projects/p/t"},
    {"name":"default","destRange":"0.0.0.0/0","network":"projects/p/global/networks/n"}, 7, {"destRange":3}]})");
  const auto routes = routesIn(page, {prefix("10.40.0.0/16")});
  REQUIRE(routes.size() == 4);
  CHECK(routes[0].ours);
  CHECK(routes[0].target == "projects/p/zones/z/instances/a");
  CHECK(routes[0].table == "projects/p/global/networks/n");
  CHECK(routes[1].state == Route::State::blackhole);
  CHECK(routes[2].state == Route::State::active);  // it comes back
  CHECK_FALSE(routes[3].ours);
  CHECK(routesIn(Json::parse("{}"), {prefix("10.40.0.0/16")}).empty());
}

TEST_CASE("an instance's interface and whether it forwards") {
  const Json answer = Json::parse(R"({"canIpForward":true,"networkInterfaces":[
    {"networkIP":"10.1.0.2","network":"https://x/projects/p/global/networks/other"},
    {"networkIP":"10.0.0.2","network":"https://x/projects/p/global/networks/n","ipv6Address":"fd00::2"}]})");
  CHECK(instanceIn(answer, *IpAddress::parse("10.0.0.2")).network == "projects/p/global/networks/n");
  CHECK(instanceIn(answer, *IpAddress::parse("fd00:0::2")).network == "projects/p/global/networks/n");
  CHECK(instanceIn(answer, *IpAddress::parse("10.0.0.3")).network.empty());
  CHECK(instanceIn(answer, *IpAddress::parse("10.0.0.2")).canIpForward);
  CHECK_FALSE(instanceIn(Json::object(), *IpAddress::parse("10.0.0.2")).canIpForward);
}

TEST_CASE("refusals, and operations that are over and have failed") {
  const auto kind = [](long status, const char* reason) {
    const Json body = {
        {"error", {{"code", status}, {"message", "why"}, {"errors", Json::array({{{"reason", reason}}})}}}};
    return outcomeOf("routes.insert", {.status = status, .body = body.dump(), .headers = {}}).kind;
  };
  CHECK(kind(409, "alreadyExists") == Kind::exists);
  CHECK(kind(404, "notFound") == Kind::missing);
  CHECK(kind(403, "rateLimitExceeded") == Kind::throttled);
  CHECK(kind(403, "quotaExceeded") == Kind::quota);
  CHECK(kind(403, "forbidden") == Kind::auth);
  CHECK(kind(401, "authError") == Kind::auth);
  CHECK(kind(400, "invalid") == Kind::permanent);
  CHECK(kind(503, "backendError") == Kind::transient);
  CHECK(outcomeOf("x", {.status = 204, .body = "", .headers = {}}).done());
  CHECK(outcomeOf("x", {.status = 502, .body = "<html>", .headers = {}}).kind == Kind::transient);

  const auto over = [](const char* json) { return outcomeOfOperation("routes.insert", Json::parse(json)); };
  CHECK(over(R"({"status":"DONE"})").done());
  CHECK(
      over(
          R"({"status":"DONE","httpErrorStatusCode":403,"error":{"errors":[{"code":"QUOTA_EXCEEDED","message":"Quota"}]}})")
          .kind == Kind::quota);
  CHECK(
      over(
          R"({"status":"DONE","httpErrorStatusCode":409,"error":{"errors":[{"code":"RESOURCE_ALREADY_EXISTS"}]}})")
          .kind == Kind::exists);
  CHECK(over(R"({"status":"DONE","httpErrorStatusCode":503})").kind == Kind::transient);
}

}  // namespace
}  // namespace twill::cloud::gce
