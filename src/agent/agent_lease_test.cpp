// SPDX-License-Identifier: Apache-2.0
// This node's own lease: published, kept, lost, contested.
#include "agent_node.hpp"

using namespace twill;
using namespace twill::test;

TEST_CASE("a node without a lease publishes one, and keeps the subnet it had") {
  Node node;
  REQUIRE(writeFile(node.directory + "/subnet.env", "FLANNEL_SUBNET=172.16.7.1/24\n", Durability::process));
  node.startAgent();
  Cluster cluster = threeNodes();
  cluster.leases.erase(cluster.leases.begin());
  node.join(cluster);
  REQUIRE(node.datastore.published.size() == 1);
  CHECK(node.datastore.published[0] == leaseOf("node1", "172.16.7.0/24", "10.0.0.10"));
  CHECK_FALSE(node.agent->ready());
}

TEST_CASE("an address that moved is published") {
  Node node;
  node.join();
  Address old{.link = "eth0", .address = *InterfaceAddress::parse("10.0.0.10/24"), .protocol = 0};
  Address fresh{.link = "eth0", .address = *InterfaceAddress::parse("10.0.0.11/24"), .protocol = 0};
  REQUIRE(node.kernel.byOthers(Verb::add, fresh));
  REQUIRE(node.kernel.byOthers(Verb::remove, old));
  node.settle();
  REQUIRE(node.datastore.published.size() == 1);
  CHECK(node.datastore.published[0].publicIp->text() == "10.0.0.11");
  CHECK(node.datastore.published[0].subnet->text() == "172.16.0.0/24");
}

TEST_CASE("a node that loses its subnet to another says so, names both, and takes no other") {
  Node node;
  Cluster cluster = threeNodes();
  cluster.leases.push_back(leaseOf("node0", "172.16.0.0/24", "10.0.0.5"));
  node.join(cluster);
  CHECK(node.hasProblem("node0"));
  CHECK(node.hasProblem("node1"));
  CHECK(node.datastore.published.empty());
  CHECK_FALSE(node.agent->ready());
  node.join();
  CHECK(node.agent->ready());
}

TEST_CASE("a lease that knows this node by its address only is ours: it keeps the subnet and gets the name") {
  Node node;
  Cluster cluster = threeNodes();
  cluster.leases[0].node.clear();
  node.join(cluster);
  CHECK(node.agent->ready());
  REQUIRE(node.datastore.published.size() == 1);
  CHECK(node.datastore.published[0] == leaseOf("node1", "172.16.0.0/24", "10.0.0.10"));
}

TEST_CASE("a lease that is taken away is published again at once, also when that has just happened") {
  Node node;
  Cluster without = threeNodes();
  without.leases.erase(without.leases.begin());
  for (std::size_t times = 1; times < 4; ++times) {
    node.join(without);
    CHECK(node.datastore.published.size() == times);
    node.join();
    CHECK(node.agent->problems().all().empty());
  }
}

TEST_CASE("two leases of this node, one by name and one by address, become one") {
  Node node;
  Cluster cluster = threeNodes();
  cluster.leases.push_back(leaseOf("", "172.16.5.0/24", "10.0.0.10"));
  node.join(cluster);
  CHECK(node.agent->problems().all().empty());
  REQUIRE(node.datastore.published.size() == 1);
  CHECK(node.datastore.published[0] == leaseOf("node1", "172.16.5.0/24", "10.0.0.10"));
}

TEST_CASE("a failing publication is tried again once, however often the map changed meanwhile") {
  Node node;
  node.datastore.outcome = fail("read-only file system");
  Cluster cluster = threeNodes();
  cluster.leases.erase(cluster.leases.begin());
  for (int i = 0; i < 5; ++i) {
    cluster.leases[0].publicIp = IpAddress::fromV4(0x0a000040U + static_cast<unsigned>(i));
    node.join(cluster);
  }
  CHECK(node.hasProblem("read-only"));
  auto before = node.datastore.published.size();
  node.io.restart();
  node.io.run_for(std::chrono::milliseconds(5300));
  CHECK(node.datastore.published.size() == before + 1);
}

TEST_CASE("an own lease whose address cannot be one is written anew") {
  Node node;
  Cluster cluster = threeNodes();
  cluster.leases[0].publicIp = *IpAddress::parse("127.0.0.1");
  node.join(cluster);
  REQUIRE(node.datastore.published.size() == 1);
  CHECK(node.datastore.published[0] == threeNodes().leases[0]);
  CHECK(node.agent->problems().all().empty());
}

TEST_CASE("a node whose own address is in the containers' network says so, and does not give it out") {
  Node node;
  Cluster cluster = threeNodes();
  cluster.network.v4->network = *Prefix::parse("10.0.0.0/8");
  cluster.leases.clear();
  node.join(cluster);
  CHECK(node.datastore.published.empty());
  CHECK(
      node.hasProblem("lease: this node's address 10.0.0.10 lies in the network 10.0.0.0/8, which is the "
                      "containers'; name another interface by --iface"));
}

TEST_CASE("a lease that is lost or has to be written anew keeps its subnet, wherever a person put that") {
  Node node;
  Cluster cluster = threeNodes();
  cluster.network.v4->subnetMin = *Prefix::parse("172.16.1.0/24");  // the default: the first one is left out
  node.join(cluster);
  Cluster without = cluster;
  without.leases.erase(without.leases.begin());
  node.join(without);
  REQUIRE(node.datastore.published.size() == 1);
  CHECK(node.datastore.published[0].subnet->text() == "172.16.0.0/24");
  node.join(cluster);
  REQUIRE(node.kernel.byOthers(
      Verb::add,
      Address{.link = "eth0", .address = *InterfaceAddress::parse("10.0.0.11/24"), .protocol = 0}));
  REQUIRE(node.kernel.byOthers(
      Verb::remove,
      Address{.link = "eth0", .address = *InterfaceAddress::parse("10.0.0.10/24"), .protocol = 0}));
  node.settle();
  REQUIRE(node.datastore.published.size() == 2);
  CHECK(node.datastore.published[1].subnet->text() == "172.16.0.0/24");
}

TEST_CASE("two nodes of one name do not write against each other without rest, and it is said") {
  Node node;
  Cluster cluster = threeNodes();
  cluster.leases[0].publicIp = *IpAddress::parse("10.0.0.77");
  for (int i = 0; i < 5; ++i) {
    cluster.leases[0].publicIp = cluster.leases[0].publicIp->plus(1);
    node.join(cluster);
  }
  CHECK(node.datastore.published.size() == 1);
  CHECK(node.hasProblem("second node of that name"));
  node.join();
  CHECK(node.agent->problems().all().empty());
}
