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
  node.second.say(fail("etcd is away"));
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
    "while a network is not known yet the others are repaired and cleared, and nothing of its own goes") {
  BlueAndRed node;
  node.ipMasq = true;
  node.startAgent();
  node.joinBoth();
  AttachRequest request = withPort(node.container("c1"), 8080);
  request.home = "red";
  REQUIRE(node.agent->attach(request));
  const KernelState before = node.kernel.all();
  REQUIRE(before.firewalls.contains("inet twill_red"));

  node.startAgent();
  node.second.say(fail("etcd is away"));
  REQUIRE(node.kernel.byOthers(Verb::remove, *node.routeTo("172.16.1.0/24")));
  Cluster fewer = threeNodes();
  fewer.leases.pop_back();
  node.join(fewer);
  CHECK(node.routeTo("172.16.1.0/24") != nullptr);
  CHECK(node.routeTo("172.16.2.0/24") == nullptr);
  CHECK(node.routeTo("172.20.6.0/24") != nullptr);
  REQUIRE(node.agent->attach(withPort(node.container("c2"), 8081)));
  const KernelState after = node.kernel.all();
  CHECK(after.firewalls.at("inet twill_red") == before.firewalls.at("inet twill_red"));
  for (const auto& [key, element] : before.setElements) CHECK(after.setElements.contains(key));
  CHECK(after.links.at("twill0-red") == before.links.at("twill0-red"));
}

TEST_CASE("a network that is not known for long keeps none of the others from having all they need") {
  BlueAndRed node;
  node.ipMasq = true;
  node.startAgent();
  node.second.say(fail("no config"));
  node.join();
  CHECK(node.kernel.all().firewalls.contains("inet twill_blue"));
  Cluster more = threeNodes();
  more.leases.push_back(leaseOf("node4", "172.16.4.0/24", "10.0.0.40"));
  node.join(more);
  const auto& nodes = node.kernel.all().firewalls.at("inet twill_blue").sets.at("nodes4").elements;
  CHECK(std::find(nodes.begin(), nodes.end(), "10.0.0.40") != nodes.end());
  CHECK_FALSE(node.agent->ready());
}

TEST_CASE("two networks can swap what they have") {
  BlueAndRed node;
  node.joinBoth();
  node.datastore.say(redCluster());
  node.settle();
  CHECK(node.hasProblem("network blue: config: 172.20.0.0/16 overlaps"));
  CHECK(node.routeTo("172.16.1.0/24") != nullptr);
  node.second.say(threeNodes());
  node.settle();
  CHECK(node.agent->problems().all().empty());
  CHECK(node.agent->network("blue")->inForce()->v4->network.text() == "172.20.0.0/16");
  CHECK(node.agent->network("red")->inForce()->v4->network.text() == "172.16.0.0/16");
  CHECK(node.agent->ready());
}

TEST_CASE(
    "of two that cannot go together the first that is named is taken at the start, whoever is heard first") {
  BlueAndRed node;
  node.second.say(threeNodes());
  node.settle();
  CHECK(node.agent->network("red")->inForce() == nullptr);
  node.join();
  CHECK(node.agent->network("blue")->inForce() != nullptr);
  CHECK(node.agent->network("red")->inForce() == nullptr);
  CHECK(node.hasProblem("network red: config: 172.16.0.0/16 overlaps 172.16.0.0/16 of network blue"));
}

TEST_CASE("what one network's peers are refused holds nothing of another back") {
  BlueAndRed node;
  node.kernel.refuse([](const Operation& operation) { return operation.owner() == "red/node2"; },
                     {.text = "no", .kind = Error::Kind::failed, .code = EPERM}, 100);
  node.joinBoth();
  CHECK(node.routeTo("172.20.6.0/24") == nullptr);
  CHECK(node.routeTo("172.16.1.0/24") != nullptr);
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
