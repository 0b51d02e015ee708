// SPDX-License-Identifier: Apache-2.0
// Containers' host ports and spoof guard, and the tables that they are in.
#include <fmt/format.h>

#include "agent_node.hpp"

using namespace twill;
using namespace twill::test;

namespace {

SetElementKey portKey(const std::string& key) {
  return {kTable, "ports4", key};
}

}  // namespace

TEST_CASE("a container brings its spoof guard and host ports, and takes them along") {
  Node node;
  node.join();
  CHECK(node.kernel.all().firewalls.empty());
  const auto attachment = node.agent->attach(withPort(node.container("c1"), 8080));
  REQUIRE(attachment);
  const auto& kernel = node.kernel.all();
  CHECK(kernel.setElements.at(portKey("tcp . 8080")).data == "172.16.0.2 . 80");
  CHECK(kernel.setElements.contains({kBridgeTable, "guarded", attachment->hostIfname}));
  CHECK(kernel.sysctls.at("net/ipv4/conf/twill0/route_localnet").value == "1");
  node.settle();
  CHECK(node.agent->ready());
  CHECK(node.agent->difference().empty());

  node.kernel.clearLog();
  AttachRequest free = node.container("c2");
  free.spoofGuard = false;
  REQUIRE(node.agent->attach(free));
  CHECK(node.kernel.log().size() == 1);  // the veth alone
  REQUIRE(node.agent->detach(attachment->key()));
  CHECK(kernel.setElements.empty());
  node.settle();
  CHECK(node.agent->ready());
  CHECK(node.agent->difference().empty());
}

TEST_CASE("UDP that went on to a host port of nobody's is forgotten, at the node's own addresses") {
  Node node;
  node.join();
  REQUIRE(node.agent->attach(withPort(node.container("c1"), 8080)));
  const auto forgets = [&](const std::string& what) {
    const auto& log = node.kernel.log();
    return std::count(log.begin(), log.end(), "forget udp " + what);
  };
  CHECK(forgets("10.0.0.10 8080") == 0);
  AttachRequest request = withPort(node.container("c2"), 53);
  request.ports.front().protocol = PortProtocol::udp;
  REQUIRE(node.agent->attach(request));
  CHECK(forgets("10.0.0.10 53") == 1);
  CHECK(forgets("172.16.0.1 53") == 1);
  CHECK(forgets("10.0.0.20 53") == 0);
}

TEST_CASE("a host port that is taken is refused by its holder's name, and nothing is left behind") {
  Node node;
  node.join();
  REQUIRE(node.agent->attach(withPort(node.container("c1"), 8080)));
  node.settle();
  node.kernel.clearLog();
  const auto second = node.agent->attach(withPort(node.container("c2"), 8080));
  REQUIRE_FALSE(second);
  CHECK(second.error().kind == Error::Kind::exists);
  CHECK(second.error().text.find("host port 8080/tcp is taken by container net/c1/eth0") == 0);
  CHECK(node.kernel.log().empty());
  CHECK(node.agent->attachments().all().size() == 1);
  node.startAgent();  // the records say who has it
  node.join();
  CHECK_FALSE(node.agent->attach(withPort(node.container("c2"), 8080)));
  REQUIRE(node.agent->detach("net/c1/eth0"));
  CHECK(node.agent->attach(withPort(node.container("c2"), 8080)));
}

TEST_CASE("a host port that a runtime asks for on each network of a container leads to its first interface") {
  Node node;
  node.join();
  const auto first = node.agent->attach(withPort(node.container("c1"), 8080));
  REQUIRE(first);
  AttachRequest request = withPort(node.container("c1"), 8080);
  request.network = "other";
  request.ifname = "eth1";
  REQUIRE(node.agent->attach(request));
  node.settle();
  const auto data = first->addresses[0].address.text() + " . 80";
  CHECK(node.kernel.all().setElements.at(portKey("tcp . 8080")).data == data);
  CHECK(node.agent->difference().empty());
  REQUIRE(node.agent->detach("other/c1/eth1"));
  CHECK(node.kernel.all().setElements.contains(portKey("tcp . 8080")));
}

TEST_CASE("tables that were flushed come back with all elements") {
  Node node;
  node.join();
  REQUIRE(node.agent->attach(withPort(node.container("c1"), 8080)));
  REQUIRE(node.agent->attach(withPort(node.container("c2"), 8081)));
  node.settle();
  const auto before = node.kernel.all();
  for (const char* table : {kTable, kBridgeTable}) {
    REQUIRE(node.kernel.byOthers(Verb::remove, Firewall{.table = table}));
    node.settle();
  }
  CHECK(node.kernel.all().firewalls == before.firewalls);
  CHECK(node.kernel.all().setElements == before.setElements);
  REQUIRE(node.kernel.byOthers(Verb::remove, before.setElements.at(portKey("tcp . 8081"))));
  node.settle();
  CHECK(node.kernel.all().setElements == before.setElements);
  CHECK(node.agent->ready());
}

TEST_CASE("a kernel without the bridge family gets its containers all the same, and it is said once") {
  Node node;
  node.kernel.refuse(
      [](const Operation& operation) {
        const auto text = describe(operation);
        return text.find("table bridge twill") != std::string::npos ||
               text.find("element bridge twill") != std::string::npos;
      },
      {.text = "Operation not supported", .code = EOPNOTSUPP}, 1000);
  node.join();
  for (const char* id : {"c1", "c2"}) {
    const auto attached = node.agent->attach(withPort(node.container(id), id[1] == '1' ? 8080 : 8081));
    REQUIRE_MESSAGE(attached, (attached ? "" : attached.error().text));
    node.settle();
  }
  CHECK(node.hasProblem("containers can send from addresses that are not theirs"));
  CHECK(node.agent->problems().all().size() == 1);
  CHECK(node.agent->ready());
  CHECK(node.kernel.all().setElements.contains(portKey("tcp . 8081")));
  node.kernel.clearLog();
  node.join();
  CHECK(node.kernel.log().empty());
  node.startAgent();  // with containers that want a guard
  node.join();
  node.settle();
  CHECK(node.agent->ready());
  CHECK(node.agent->problems().all().size() == 1);
}

TEST_CASE("a spoof guard that fails for another reason fails the container") {
  Node node;
  node.kernel.refuse(
      [](const Operation& operation) { return describe(operation).find("guard_macs") != std::string::npos; },
      {.text = "no memory", .code = ENOMEM}, 1);
  node.join();
  CHECK_FALSE(node.agent->attach(node.container("c1")));
  CHECK(node.kernel.all().setElements.empty());
  CHECK(node.agent->attachments().all().empty());
  CHECK(node.agent->attach(node.container("c1")));
}

TEST_CASE("the host port of a container that is gone without a DEL is free for the next one") {
  Node node;
  node.join();
  const auto first = node.agent->attach(withPort(node.container("c1"), 8080));
  REQUIRE(first);
  node.settle();
  REQUIRE(node.kernel.byOthers(Verb::remove, node.kernel.all().links.at(first->hostIfname)));
  node.kernel.refuse([&](const Operation& operation) { return operation.owner() == first->key(); },
                     {.text = "no such namespace", .kind = Error::Kind::invalid, .code = ESTALE}, 1);
  node.settle();
  const auto second = node.agent->attach(withPort(node.container("c2"), 8080));
  REQUIRE(second);
  const auto leadsToSecond = [&] {
    const auto& elements = node.kernel.all().setElements;
    return elements.contains(portKey("tcp . 8080")) &&
           elements.at(portKey("tcp . 8080")).data == second->addresses[0].address.text() + " . 80";
  };
  CHECK(leadsToSecond());
  REQUIRE(node.agent->detach(first->key()));
  node.settle();
  CHECK(leadsToSecond());
  CHECK(node.agent->ready());
}
