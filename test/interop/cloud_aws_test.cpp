// SPDX-License-Identifier: Apache-2.0
// What keeps a node's routes in AWS, against test/cloud/fake_ec2.py. The fake has botocore sign and write
// each request again: one that would differ by a byte is refused, and named in "wrong".
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "base/file.hpp"
#include "cloud/aws/vpc_routes.hpp"
#include "fake_cloud.hpp"

namespace twill::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

const json kCloud = json::parse(R"({"region": "eu-west-1", "vpc": "vpc-1", "subnet": "subnet-1",
  "keys": {"AKIDTEST": "secret/+="}, "tables": {"rtb-1": {"main": true}, "rtb-2": {}},
  "instances": {"i-1": {"eni": "eni-1", "address": "10.0.0.10", "address6": "fd00::10"},
                "i-2": {"eni": "eni-2", "address": "10.0.0.20"}}})");

CloudWish wish() {
  CloudWish out{.type = "aws-vpc", .node = "node1", .local4 = IpAddress::parse("10.0.0.10").value()};
  out.networks.push_back({.network = *Prefix::parse("10.244.0.0/16"), .subnetLength = 24});
  out.own = {*Prefix::parse("10.244.1.0/24")};
  out.leased = out.own;
  out.colleagues = {"node1"};
  return out;
}

json routeTo(const char* dst, const char* eni) {
  return {{"dst", dst}, {"eni", eni}, {"origin", "CreateRoute"}};
}

/// A node with its fake.
struct Node : CloudNode {
  explicit Node(std::map<std::string, std::string> more = {}) {
    fake = FakeCloud::make("fake_ec2.py", "botocore", kCloud);
    if (!fake) return;
    more.try_emplace("AWS_ENDPOINT_URL_EC2", fake->url());
    more.try_emplace("AWS_ENDPOINT_URL_SERVICE_QUOTAS", fake->url());
    more.try_emplace("AWS_EC2_METADATA_SERVICE_ENDPOINT", fake->url() + "/i-1");
    more.try_emplace("AWS_ENDPOINT_URL_STS", fake->url());
    more.try_emplace("HOME", directory.path());
    environment = std::move(more);
    begin();
  }
  void begin() {
    auto make = [this](boost::asio::io_context& on, const CloudWish& asked) {
      return cloud::aws::vpcRoutes(on, asked, environmentOf(environment));
    };
    keeper = std::make_unique<cloud::RouteReconciler>(
        io, directory.path("cloud.json"), [] {}, make, kPace);
  }
  /// What leads to `dst` in a table; "" for nothing.
  std::string targetOf(const std::string& dst, const std::string& table = "rtb-1") const {
    const json state = fake->control();
    for (const json& route : state["tables"][table]) {
      if (route["dst"] == dst) return route.value("eni", route.value("gateway", ""));
    }
    return "";
  }
  int countOf(const char* action) const { return fake->control()["counts"].value(action, 0); }
  void run(std::chrono::milliseconds time) {
    io.restart();
    io.run_for(time);
  }

  std::map<std::string, std::string> environment;
};

TEST_CASE("a node's route is made once, repaired, and left alone by a restart") {
  Node node;
  if (!node.fake) return;
  node.keeper->follow(wish());
  CHECK_FALSE(node.keeper->isUp());
  REQUIRE(node.up());
  CHECK(node.targetOf("10.244.1.0/24") == "eni-1");
  CHECK(node.fake->control()["source_dest_check"]["eni-1"] == false);
  CHECK(node.fake->control()["source_dest_check"]["eni-2"] == true);

  // A peer that comes is no reason to write the file again.
  REQUIRE(writeFile(node.directory.path("cloud.json"), "untouched", Durability::process));
  CloudWish more = wish();
  more.leased.push_back(*Prefix::parse("10.244.2.0/24"));
  node.keeper->follow(more);
  CHECK(readFile(node.directory.path("cloud.json"), 100).value() == "untouched");

  node.begin();
  node.keeper->follow(wish());
  REQUIRE(node.up());
  CHECK(node.countOf("CreateRoute") == 1);
  CHECK(node.countOf("ModifyNetworkInterfaceAttribute") == 1);

  node.fake->control({{"remove", {{"rtb-1", {"10.244.1.0/24"}}}}});
  CHECK(node.until([&] { return node.targetOf("10.244.1.0/24") == "eni-1"; }));
  node.fake->control({{"remove", {{"rtb-1", {"10.244.1.0/24"}}}},
                      {"add", {{"rtb-1", {routeTo("10.244.1.0/24", "eni-2")}}}}});
  CHECK(node.until([&] { return node.targetOf("10.244.1.0/24") == "eni-1"; }));
  CHECK(node.countOf("ReplaceRoute") == 1);
  CHECK(node.countOf("DeleteRoute") == 0);
  CHECK(node.fake->control()["wrong"] == json::array());
  const auto status = node.keeper->status();
  REQUIRE(status);
  CHECK(status->problems.empty());
  REQUIRE(status->usage.size() == 1);
  CHECK(status->usage[0].allowed == 500);
}

TEST_CASE("several tables, IPv6, and pages") {
  Node node;
  if (!node.fake) return;
  node.fake->control({{"page", 1}});
  CloudWish both = wish();
  both.local6 = IpAddress::parse("fd00::10").value();
  both.tables = {"rtb-1", "rtb-2"};
  both.networks.push_back({.network = *Prefix::parse("fd42::/48"), .subnetLength = 64});
  both.own.push_back(*Prefix::parse("fd42:0:0:1::/64"));
  node.keeper->follow(both);
  REQUIRE(node.up());
  for (const char* table : {"rtb-1", "rtb-2"}) {
    CHECK(node.targetOf("10.244.1.0/24", table) == "eni-1");
    CHECK(node.targetOf("fd42:0:0:1::/64", table) == "eni-1");
  }
  CHECK(node.fake->control()["wrong"] == json::array());
}

TEST_CASE("what nodes left behind is removed, and what others have is not") {
  Node node;
  if (!node.fake) return;
  node.fake->control({{"terminated", {"i-2"}},
                      {"add",
                       {{"rtb-1",
                         {routeTo("10.244.2.0/24", "eni-2"),
                          routeTo("10.244.3.0/25", "eni-2"),
                          {{"dst", "10.244.9.0/24"}, {"gateway", "vgw-1"}, {"origin", "CreateRoute"}}}}}}});
  node.keeper->follow(wish());
  REQUIRE(node.up());
  CHECK(node.until([&] { return node.targetOf("10.244.2.0/24").empty(); }));
  // Its instance lives, so that it has its respite.
  node.fake->control(
      {{"terminated", json::array()}, {"add", {{"rtb-1", {routeTo("10.244.5.0/24", "eni-2")}}}}});
  CHECK(node.until([&] { return node.targetOf("10.244.5.0/24").empty(); }));
  CHECK(node.targetOf("10.244.3.0/25") == "eni-2");
  CHECK(node.targetOf("10.244.9.0/24") == "vgw-1");
  CHECK(node.targetOf("10.0.0.0/16") == "local");
}

TEST_CASE("a foreign route in the way is named and stays") {
  Node node;
  if (!node.fake) return;
  node.fake->control(
      {{"add", {{"rtb-1", {{{"dst", "10.244.1.0/24"}, {"gateway", "vgw-1"}, {"origin", "CreateRoute"}}}}}}});
  node.keeper->follow(wish());
  CHECK(node.saysSoon("vgw-1"));
  CHECK_FALSE(node.keeper->isUp());
  CHECK(node.targetOf("10.244.1.0/24") == "vgw-1");
}

TEST_CASE("throttled, broken and garbled answers are got over") {
  Node node;
  if (!node.fake) return;
  node.fake->control({{"throttle", 4}, {"broken", 2}, {"garbage", 2}});
  node.keeper->follow(wish());
  REQUIRE(node.up());
  const auto calls = node.keeper->status()->calls;
  std::uint64_t throttled = 0;
  for (const auto& [call, count] : calls) throttled += call.second == cloud::Kind::throttled ? count : 0;
  CHECK(throttled == 4);
}

TEST_CASE("credentials that end in the middle are renewed, and a clock that is wrong is corrected") {
  Node node;
  if (!node.fake) return;
  node.keeper->follow(wish());
  REQUIRE(node.up());
  node.fake->control({{"new_token", true}, {"metadata", 1}, {"remove", {{"rtb-1", {"10.244.1.0/24"}}}}});
  CHECK(node.until([&] { return node.targetOf("10.244.1.0/24") == "eni-1"; }));
  node.fake->control({{"clock", 3600}, {"remove", {{"rtb-1", {"10.244.1.0/24"}}}}});
  CHECK(node.until([&] { return node.targetOf("10.244.1.0/24") == "eni-1"; }));
  CHECK(node.keeper->status()->problems.empty());
  CHECK(node.fake->control()["wrong"] == json::array());
}

TEST_CASE("a route that is made and not seen yet is not fought over") {
  Node node;
  if (!node.fake) return;
  node.fake->control({{"invisible", 5}});
  node.keeper->follow(wish());
  REQUIRE(node.up());
  node.run(1s);
  CHECK(node.countOf("DeleteRoute") == 0);
  CHECK(node.fake->control()["tables"]["rtb-1"].size() == 2);
  CHECK(node.until([&] { return node.keeper->isUp() && node.keeper->status()->problems.empty(); }));
}

TEST_CASE("a full table and a missing permission are named, with what to do") {
  Node node;
  if (!node.fake) return;
  node.fake->control({{"quota", 1}});
  node.keeper->follow(wish());
  CHECK(node.saysSoon("Service Quotas"));
  CHECK_FALSE(node.keeper->isUp());
  node.fake->control({{"quota", 500}, {"deny", {"CreateRoute"}}});
  CHECK(node.saysSoon("allow ec2:CreateRoute"));
  node.fake->control({{"deny", json::array()}});
  REQUIRE(node.up());
}

TEST_CASE("an API that hangs holds nothing up, and an end of it all ends the wait") {
  Node node;
  if (!node.fake) return;
  node.fake->control({{"hang", 5}});
  node.keeper->follow(wish());
  const auto begin = std::chrono::steady_clock::now();
  node.run(300ms);
  CHECK(std::chrono::steady_clock::now() - begin < 3s);
  node.keeper.reset();
  node.run(100ms);
}

TEST_CASE("when it is wanted no more its route goes, also after a restart") {
  Node node;
  if (!node.fake) return;
  node.keeper->follow(wish());
  REQUIRE(node.up());
  node.begin();
  node.fake->control({{"throttle", 2}});
  node.keeper->follow(std::nullopt);
  CHECK(node.keeper->isUp());
  CHECK(node.until([&] { return node.targetOf("10.244.1.0/24").empty() && !node.keeper->status(); }));
  CHECK_FALSE(readFile(node.directory.path("cloud.json"), 4096));
}

TEST_CASE("--cleanup takes the routes that the file remembers") {
  Node node;
  if (!node.fake) return;
  node.keeper->follow(wish());
  REQUIRE(node.up());
  node.keeper.reset();
  const auto make = [&](boost::asio::io_context& on, const CloudWish& asked) {
    return cloud::aws::vpcRoutes(on, asked, environmentOf(node.environment));
  };
  std::vector<std::string> removed;
  const auto tell = [&](const std::string& route) { removed.push_back(route); };
  REQUIRE(cloud::removeRememberedRoutes(node.directory.path("cloud.json"), make, tell));
  CHECK(removed == std::vector<std::string>{"aws-vpc route 10.244.1.0/24 to eni-1"});
  CHECK(node.targetOf("10.244.1.0/24").empty());
  CHECK(cloud::removeRememberedRoutes(node.directory.path("cloud.json"), make, tell));
}

TEST_CASE("each place that credentials may come from") {
  struct Source {
    const char* name;
    std::map<std::string, std::string> variables;
    std::string file;  ///< text of ~/.aws/credentials
  };
  TemporaryDirectory tokens;
  REQUIRE(writeFile(tokens.path("web"), "web-identity\n", Durability::process));
  const std::map<std::string, std::string> region{{"AWS_REGION", "eu-west-1"}};
  std::vector<Source> sources{
      {"environment", {{"AWS_ACCESS_KEY_ID", "AKIDTEST"}, {"AWS_SECRET_ACCESS_KEY", "secret/+="}}, ""},
      {"web identity",
       {{"AWS_WEB_IDENTITY_TOKEN_FILE", tokens.path("web")}, {"AWS_ROLE_ARN", "arn:aws:iam::1:role/twill"}},
       ""},
      {"shared file",
       {{"AWS_PROFILE", "mine"}},
       "[mine]\naws_access_key_id = AKIDTEST\naws_secret_access_key = secret/+=\nregion = eu-west-1\n"},
      {"container", {{"AWS_CONTAINER_AUTHORIZATION_TOKEN", "container-token"}}, ""},
      {"instance", {}, ""},
  };
  for (Source& source : sources) {
    CAPTURE(source.name);
    Node node(source.variables);
    if (!node.fake) return;
    if (std::string(source.name) == "container")
      node.environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = node.fake->url() + "/container-credentials";
    if (std::string(source.name) != "instance") node.fake->control({{"no_role", true}});
    if (!source.file.empty()) {
      REQUIRE(makeDirectories(node.directory.path(".aws")));
      REQUIRE(writeFile(node.directory.path(".aws/credentials"), source.file, Durability::process));
    }
    node.begin();
    node.keeper->follow(wish());
    CHECK(node.up());
    CHECK(node.fake->control()["wrong"] == json::array());
  }
}

TEST_CASE("a node without credentials, and one without its address, say what to do") {
  Node node;
  if (!node.fake) return;
  node.fake->control({{"no_role", true}});
  node.keeper->follow(wish());
  CHECK(node.saysSoon("give the instance a role"));
  node.fake->control({{"no_role", false}});
  CloudWish elsewhere = wish();
  elsewhere.local4 = IpAddress::parse("10.0.0.99").value();
  node.keeper->follow(elsewhere);
  CHECK(node.saysSoon("--iface"));
  node.fake->control({{"no_metadata", true}});
  node.environment["AWS_REGION"] = "eu-west-1";
  node.environment["AWS_ACCESS_KEY_ID"] = "AKIDTEST";
  node.environment["AWS_SECRET_ACCESS_KEY"] = "secret/+=";
  node.begin();
  node.keeper->follow(wish());  // found by its address
  CHECK(node.up());
  CHECK(node.countOf("DescribeNetworkInterfaces") >= 1);
}

}  // namespace
}  // namespace twill::test
