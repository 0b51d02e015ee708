// SPDX-License-Identifier: Apache-2.0
// A node that is in several networks.
#include "agent_node.hpp"
#include "plan/network_names.hpp"

using namespace twill;
using namespace twill::test;

namespace {

/// Of the same nodes, elsewhere.
Cluster redCluster() {
  Cluster cluster = threeNodes();
  cluster.network.v4->network = *Prefix::parse("172.20.0.0/16");
  cluster.network.v4->subnetMin = *Prefix::parse("172.20.0.0/24");
  cluster.network.v4->subnetMax = *Prefix::parse("172.20.255.0/24");
  cluster.leases = {leaseOf("node1", "172.20.5.0/24", "10.0.0.10"),
                    leaseOf("node2", "172.20.6.0/24", "10.0.0.20")};
  return cluster;
}

struct BlueAndRed : Node {
  BlueAndRed() {
    networks = {"blue", "red"};
    startAgent();
  }
  void joinBoth() {
    second.say(redCluster());
    join();
  }
};

}  // namespace

TEST_CASE("a node in two networks has routes, lease and subnet.env of both") {
  BlueAndRed node;
  node.joinBoth();
  CHECK(node.routeTo("172.16.1.0/24") != nullptr);
  CHECK(node.routeTo("172.20.6.0/24") != nullptr);
  CHECK(node.agent->ready());
  CHECK(readFile(node.directory + "/networks/blue.env")->find("FLANNEL_SUBNET=172.16.0.1/24\n") !=
        std::string::npos);
  CHECK(readFile(node.directory + "/networks/red.env")->find("FLANNEL_SUBNET=172.20.5.1/24\n") !=
        std::string::npos);
}

TEST_CASE("a new agent changes nothing of a network that it does not know yet") {
  BlueAndRed node;
  node.joinBoth();
  node.startAgent();
  node.kernel.clearLog();
  node.join();
  CHECK(node.kernel.log().empty());
  CHECK_FALSE(node.agent->ready());
  CHECK(node.routeTo("172.20.6.0/24") != nullptr);
  node.second.say(redCluster());
  node.settle();
  CHECK(node.kernel.log().empty());
  CHECK(node.agent->ready());
}

TEST_CASE(
    "what is lost is put back while a network is not known yet, and what is no longer wanted goes after") {
  BlueAndRed node;
  node.joinBoth();
  node.startAgent();
  REQUIRE(node.kernel.byOthers(Verb::remove, *node.routeTo("172.16.1.0/24")));
  Cluster fewer = threeNodes();
  fewer.leases.pop_back();
  node.join(fewer);
  CHECK(node.routeTo("172.16.1.0/24") != nullptr);
  CHECK(node.routeTo("172.16.2.0/24") != nullptr);
  node.second.say(redCluster());
  node.settle();
  CHECK(node.routeTo("172.16.2.0/24") == nullptr);
}

TEST_CASE(
    "networks go their own ways: one whose datastore fails, or whose map changes, leaves the other alone") {
  BlueAndRed node;
  node.joinBoth();
  node.kernel.clearLog();
  node.second.say(fail("etcd is away"));
  Cluster fewer = threeNodes();
  fewer.leases.pop_back();
  node.join(fewer);
  CHECK(node.kernel.log().size() == 1);
  CHECK(node.routeTo("172.20.6.0/24") != nullptr);
  CHECK(node.hasProblem("network red: datastore: etcd is away"));
  CHECK(node.agent->ready());
}

TEST_CASE("a config that another network stands in the way of is refused, and what was goes on") {
  BlueAndRed node;
  node.joinBoth();
  node.kernel.clearLog();
  Cluster overlapping = redCluster();
  overlapping.network.v4->network = *Prefix::parse("172.16.0.0/12");
  node.second.say(overlapping);
  node.settle();
  CHECK(node.kernel.log().empty());
  CHECK(node.hasProblem("network red: config: 172.16.0.0/12 overlaps 172.16.0.0/16 of network blue"));
  node.second.say(redCluster());
  node.settle();
  CHECK(node.agent->problems().all().empty());
}

TEST_CASE("a container is in the network that it asks for, and at its bridge") {
  BlueAndRed node;
  node.joinBoth();
  AttachRequest request = node.container("c1");
  request.home = "red";
  const auto red = node.agent->attach(request);
  REQUIRE(red);
  CHECK(red->addresses.front().text() == "172.20.5.2/24");
  CHECK(node.kernel.all().links.at(red->hostIfname).master == "twill0-red");
  const auto blue = node.agent->attach(node.container("c2"));
  REQUIRE(blue);
  CHECK(blue->addresses.front().text() == "172.16.0.2/24");  // the first is that of who names none
  CHECK(node.kernel.all().links.contains("twill0-blue"));

  node.kernel.clearLog();
  node.startAgent();
  node.joinBoth();
  CHECK(node.kernel.log().empty());
  REQUIRE(node.agent->detach(red->key()));
  node.settle();
  CHECK_FALSE(node.kernel.all().links.contains("twill0-red"));
  CHECK(node.kernel.all().links.contains("twill0-blue"));
}

TEST_CASE("a network that the node is not in is named, and so are containers of one that it has left") {
  BlueAndRed node;
  node.joinBoth();
  AttachRequest request = node.container("c1");
  request.home = "green";
  const auto none = node.agent->attach(request);
  REQUIRE_FALSE(none);
  CHECK(none.error().text.find("no network 'green'") != std::string::npos);
  CHECK(none.error().kind == Error::Kind::invalid);

  request.home = "red";
  const auto red = node.agent->attach(request);
  REQUIRE(red);
  node.networks = {"blue"};
  node.startAgent();
  node.join();
  CHECK(node.hasProblem("net/c1/eth0 is in network red, in which this node is no more"));
  CHECK(node.kernel.all().links.contains(red->hostIfname));
  CHECK(node.routeTo("172.20.6.0/24") == nullptr);
  REQUIRE(node.agent->detach(red->key()));
  CHECK_FALSE(node.kernel.all().links.contains("twill0-red"));
  CHECK(node.agent->problems().all().empty());
}
