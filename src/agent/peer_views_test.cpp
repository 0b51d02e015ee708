// SPDX-License-Identifier: Apache-2.0
#include "agent/peer_views.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "datastore/gossip/key_survey.hpp"

using namespace twill;

namespace {

Lease leaseOf(const std::string& node, const std::string& subnet) {
  Lease lease;
  lease.node = node;
  lease.subnet = *Prefix::parse(subnet);
  return lease;
}

Peers::Node nodeOf(const std::string& name, const std::string& status) {
  Peers::Node node;
  node.name = name;
  node.id = name + "-id";
  node.endpoint = "10.0.0.1:7946";
  node.status = status;
  node.seconds = 12;
  return node;
}

}  // namespace

TEST_CASE("nodes: leases with the state of their nodes, and nodes without a lease") {
  Peers::Node failed = nodeOf("node2", "failed");
  failed.accuser = "node1";
  Peers::Node serf = nodeOf("watcher", "alive");
  serf.id.clear();
  serf.accuser = "watcher";
  serf.noDirectWay = true;
  const auto view = nodesView("node1", {leaseOf("node2", "172.16.2.0/24"), leaseOf("ghost", "172.16.3.0/24")},
                              {failed, serf});
  CHECK(view["node"] == "node1");
  const auto& list = view["leases"];
  REQUIRE(list.size() == 3);
  CHECK(list[1]["subnet"] == "172.16.2.0/24");
  CHECK(list[1]["state"] == "failed");
  CHECK(list[1]["by"] == "node1");
  CHECK(list[1]["since_seconds"] == 12);
  CHECK(list[1]["id"] == "node2-id");
  CHECK(list[1]["no_direct_way"] == false);
  CHECK(list[0]["node"] == "ghost");
  CHECK(list[0]["state"].is_null());
  CHECK(list[2]["node"] == "watcher");
  CHECK(list[2]["subnet"].is_null());
  CHECK(list[2]["id"].is_null());
  CHECK(list[2]["by"].is_null());
  CHECK(list[2]["no_direct_way"] == true);
}

TEST_CASE("subnets: what each node holds, and the sum of it") {
  Peers::Pool pool{.cluster = "c0ffee", .slots = 16, .shares = {}};
  pool.shares.push_back(
      {.node = "node1", .id = "1", .free = 9, .active = 1, .revoked = 2, .reachable = true});
  pool.shares.push_back({.node = "node2", .id = "2", .active = 1, .removed = true});
  const auto view = subnetsView("node1", pool);
  CHECK(view["cluster"] == "c0ffee");
  CHECK(view["nodes"][0]["free"] == 9);
  CHECK(view["nodes"][1]["removed"] == true);
  CHECK(view["total"]["in_use"] == 2);
  CHECK(view["total"]["resting"] == 2);
  CHECK(view["total"]["unowned"] == 3);
  CHECK(subnetsView("node1", {})["cluster"].is_null());
}

TEST_CASE("keys: fingerprints, the keys themselves only when asked for, and who kept silent") {
  const Peers::KeysOfAll keys{
      .asked = 3,
      .answers = {{.node = "node1", .done = true, .message = "", .keys = {"c2VjcmV0"}},
                  {.node = "node2", .done = false, .message = "this node has no keys", .keys = {}}}};
  const std::vector<Peers::Node> nodes{nodeOf("node1", "alive"), nodeOf("node2", "alive"),
                                       nodeOf("node3", "suspect"), nodeOf("node4", "failed")};
  const auto view = keysView(keys, nodes, false);
  CHECK(view["silent"] == nlohmann::ordered_json::array({"node3"}));
  CHECK(view["absent"] == nlohmann::ordered_json::array({"node4"}));
  CHECK(view["keys"][0]["fingerprint"] == gossip::fingerprintOf("c2VjcmV0"));
  CHECK(view["nodes"][1]["done"] == false);
  CHECK(view["nodes"][1]["message"] == "this node has no keys");
  CHECK(view.dump().find("c2VjcmV0") == std::string::npos);
  CHECK(keysView(keys, nodes, true)["keys"][0]["key"] == "c2VjcmV0");
}

TEST_CASE("members: whom others reach by way of others only, as they say") {
  Peers::Node self = nodeOf("node1", "alive");
  self.isSelf = true;
  self.noDirectWayTo = {"node2"};
  Peers::Node other = nodeOf("node2", "alive");
  other.noDirectWayTo = {"node1", "node3"};
  Peers::Node gone = nodeOf("node3", "failed");
  gone.noDirectWayTo = {"node2"};
  const auto others = membersView({self, other, gone})["others_without_direct_way"];
  REQUIRE(others.size() == 1);
  CHECK(others[0]["node"] == "node2");
  CHECK(others[0]["to"] == nlohmann::json{"node1", "node3"});
}

TEST_CASE("members: each state has a number, and a node that is gone has no way to be indirect") {
  Peers::Node far = nodeOf("node2", "alive");
  far.noDirectWay = true;
  Peers::Node gone = nodeOf("node3", "failed");
  gone.noDirectWay = true;
  const auto view = membersView({nodeOf("node1", "alive"), far, gone});
  CHECK(view["members"]["alive"] == 2);
  CHECK(view["members"]["failed"] == 1);
  CHECK(view["members"]["left"] == 0);
  REQUIRE(view["no_direct_way"].size() == 1);
  CHECK(view["no_direct_way"][0]["node"] == "node2");
  CHECK(view["others_without_direct_way"].empty());
}
