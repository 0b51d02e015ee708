// SPDX-License-Identifier: Apache-2.0
// What keeps a node's routes in Google's cloud, against test/cloud/fake_gce.py, which libcloud judges.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "cloud/gce/network_routes.hpp"
#include "fake_cloud.hpp"

namespace twill::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

const json kCloud =
    json::parse(R"({"project": "project-1", "number": 42, "zone": "europe-west1-b", "network": "default",
  "instances": {"vm-1": {"address": "10.0.0.10", "address6": "fd00::10"}, "vm-2": {"address": "10.0.0.20"},
                "vm-3": {"address": "10.0.0.30", "forward": false}}})");
constexpr const char* kBase = "https://www.googleapis.com/compute/v1/projects/project-1";

CloudWish wish(const char* address = "10.0.0.10") {
  CloudWish out{.type = "gce", .node = "node1", .local4 = IpAddress::parse(address).value()};
  out.networks.push_back({.network = *Prefix::parse("10.244.0.0/16"), .subnetLength = 24});
  out.own = {*Prefix::parse("10.244.1.0/24")};
  out.leased = out.own;
  out.colleagues = {"node1"};
  return out;
}

json route(const char* name, const char* dst, const char* instance) {
  return {{"name", name},
          {"destRange", dst},
          {"priority", 1000},
          {"network", fmt::format("{}/global/networks/default", kBase)},
          {"nextHopInstance", fmt::format("{}/zones/europe-west1-b/instances/{}", kBase, instance)}};
}

struct Node : CloudNode {
  explicit Node(const std::string& instance = "vm-1") {
    fake = FakeCloud::make("fake_gce.py", "libcloud", kCloud);
    if (!fake) return;
    const auto environment =
        environmentOf({{"GCE_METADATA_HOST", fake->host() + "/" + instance},
                       {"CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE", fake->url() + "/compute/v1/"}});
    auto make = [environment](boost::asio::io_context& on, const CloudWish& asked) {
      return cloud::gce::networkRoutes(on, asked, environment);
    };
    keeper = std::make_unique<cloud::RouteReconciler>(
        io, directory.path("cloud.json"), [] {}, make, kPace);
  }
  /// Name and instance of what leads to `dst`, "name vm-1, ..."
  std::string routesTo(const std::string& dst) const {
    std::string out;
    const json state = fake->control();
    for (const json& one : state["routes"]) {
      if (one["destRange"] != dst) continue;
      const std::string hop = one.value("nextHopInstance", "/none");
      out += fmt::format("{}{} {}", out.empty() ? "" : ", ", one["name"].get<std::string>(),
                         hop.substr(hop.rfind('/') + 1));
    }
    return out;
  }
};

TEST_CASE("a node's route is made, repaired, and replaced without a moment without one") {
  Node node;
  if (!node.fake) return;
  node.fake->control({{"slow", 0.2}});
  CloudWish both = wish();
  both.local6 = IpAddress::parse("fd00::10").value();
  both.networks.push_back({.network = *Prefix::parse("fd42::/48"), .subnetLength = 64});
  both.own.push_back(*Prefix::parse("fd42:0:0:1::/64"));
  node.keeper->follow(both);
  REQUIRE(node.up());
  CHECK(node.routesTo("10.244.1.0/24") == "twill-10-244-1-0-24 vm-1");
  CHECK(node.routesTo("fd42:0:0:1::/64") == "twill-fd42-0-0-1---64 vm-1");

  node.fake->control({{"add", {route("twill-10-244-1-0-24", "10.244.1.0/24", "vm-2")}}});
  CHECK(node.until([&] { return node.routesTo("10.244.1.0/24") == "twill-10-244-1-0-24-2 vm-1"; }));
  node.fake->control({{"remove", {"twill-10-244-1-0-24-2"}}});
  CHECK(node.until([&] { return node.routesTo("10.244.1.0/24") == "twill-10-244-1-0-24 vm-1"; }));
  CHECK(node.fake->control()["wrong"] == json::array());
  const auto status = node.keeper->status();
  REQUIRE(status);
  REQUIRE(status->usage.size() == 1);
  CHECK(status->usage[0].allowed == 250);
}

TEST_CASE("flannel's route is taken over as it is, or replaced when it leads elsewhere") {
  Node node;
  if (!node.fake) return;
  node.fake->control({{"add", {route("flannel-10-244-1-0-24", "10.244.1.0/24", "vm-1")}}});
  node.keeper->follow(wish());
  REQUIRE(node.up());
  CHECK(node.routesTo("10.244.1.0/24") == "flannel-10-244-1-0-24 vm-1");
  node.fake->control({{"add", {route("flannel-10-244-1-0-24", "10.244.1.0/24", "vm-2")}}});
  CHECK(node.until([&] { return node.routesTo("10.244.1.0/24") == "twill-10-244-1-0-24 vm-1"; }));
}

TEST_CASE("what nodes left behind is removed, and what others have is not") {
  Node node;
  if (!node.fake) return;
  node.fake->control({{"page", 1},
                      {"add",
                       {route("twill-10-244-2-0-24", "10.244.2.0/24", "gone"),
                        route("flannel-10-244-3-0-24", "10.244.3.0/24", "vm-2"),
                        route("somebodys", "10.244.4.0/24", "gone")}}});
  node.keeper->follow(wish());
  REQUIRE(node.up());
  CHECK(node.until(
      [&] { return node.routesTo("10.244.2.0/24").empty() && node.routesTo("10.244.3.0/24").empty(); }));
  CHECK(node.routesTo("10.244.4.0/24") == "somebodys gone");
}

TEST_CASE("a quota that only the operation tells of, throttling, and a token that ends") {
  Node node;
  if (!node.fake) return;
  node.fake->control({{"quota", 0}, {"throttle", 3}, {"broken", 2}});
  node.keeper->follow(wish());
  CHECK(node.saysSoon("compute.googleapis.com/routes"));
  CHECK_FALSE(node.keeper->isUp());
  node.fake->control({{"quota", 250}, {"new_token", true}});
  REQUIRE(node.up());
  node.fake->control({{"new_token", true}, {"remove", {"twill-10-244-1-0-24"}}});
  CHECK(node.until([&] { return !node.routesTo("10.244.1.0/24").empty(); }));
}

TEST_CASE(
    "an instance that may not forward, one without an account, and a missing permission say what to do") {
  Node node("vm-3");
  if (!node.fake) return;
  node.keeper->follow(wish("10.0.0.30"));
  CHECK(node.saysSoon("--can-ip-forward"));
  node.fake->control({{"no_account", true}, {"new_token", true}});
  CHECK(node.saysSoon("service account"));
  node.fake->control({{"no_account", false}, {"deny", {"instances/vm-3"}}});
  CHECK(node.saysSoon("docs/gce.md"));
}

TEST_CASE("another cluster's route of the same name is no reason to touch it") {
  Node node;
  if (!node.fake) return;
  json other = route("twill-10-244-1-0-24", "10.244.1.0/24", "vm-2");
  other["network"] = fmt::format("{}/global/networks/other", kBase);
  node.fake->control({{"add", {other}}});
  node.keeper->follow(wish());
  CHECK(node.saysSoon("another cluster"));
  CHECK(node.routesTo("10.244.1.0/24") == "twill-10-244-1-0-24 vm-2");
}

TEST_CASE("when it is wanted no more its route goes") {
  Node node;
  if (!node.fake) return;
  node.keeper->follow(wish());
  REQUIRE(node.up());
  node.keeper->follow(std::nullopt);
  CHECK(node.until([&] { return node.routesTo("10.244.1.0/24").empty() && !node.keeper->status(); }));
}

}  // namespace
}  // namespace twill::test
