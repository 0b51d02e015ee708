// SPDX-License-Identifier: Apache-2.0
// The whole agent over a kernel and a datastore in memory.
#include "agent/agent.hpp"

#include <filesystem>
#include <sstream>

#include <boost/asio/post.hpp>
#include <doctest/doctest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include "base/file.hpp"
#include "kernel/fake/fake_kernel.hpp"

using namespace twill;

namespace {

Lease leaseOf(const std::string& node, const std::string& subnet, const std::string& address) {
  return {.node = node,
          .subnet = *Prefix::parse(subnet),
          .publicIp = *IpAddress::parse(address),
          .backendType = "host-gw"};
}

Cluster threeNodes() {
  Cluster cluster;
  cluster.network.v4 = FamilyConfig{.network = *Prefix::parse("172.16.0.0/16"),
                                    .subnetLength = 24,
                                    .subnetMin = *Prefix::parse("172.16.0.0/24"),
                                    .subnetMax = *Prefix::parse("172.16.255.0/24")};
  cluster.network.backend.type = "host-gw";
  cluster.leases = {leaseOf("node1", "172.16.0.0/24", "10.0.0.10"),
                    leaseOf("node2", "172.16.1.0/24", "10.0.0.20"),
                    leaseOf("node3", "172.16.2.0/24", "10.0.0.30")};
  return cluster;
}

/// A store that does what it is told.
class MemoryDatastore final : public Datastore {
 public:
  explicit MemoryDatastore(boost::asio::io_context& io) : io_(io) {}
  void watch(OnCluster onCluster) override { onCluster_ = std::move(onCluster); }
  void publish(const Lease& mine, OnPublished onPublished) override {
    published.push_back(mine);
    boost::asio::post(io_, [onPublished, outcome = outcome] { onPublished(outcome); });
  }
  void say(Result<Cluster> cluster) {
    boost::asio::post(io_, [this, cluster] { onCluster_(cluster); });
  }
  std::vector<Lease> published;
  Result<void> outcome;  ///< of every publish()

 private:
  boost::asio::io_context& io_;
  OnCluster onCluster_;
};

/// What is logged while this lives.
class Log {
 public:
  Log() : before_(spdlog::default_logger()) {
    spdlog::set_default_logger(
        std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(text_)));
  }
  ~Log() { spdlog::set_default_logger(before_); }
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  [[nodiscard]] std::string text() const { return text_.str(); }
  [[nodiscard]] int count(const std::string& words) const {
    int found = 0;
    const std::string all = text();
    for (auto at = all.find(words); at != std::string::npos; at = all.find(words, at + 1)) ++found;
    return found;
  }

 private:
  std::ostringstream text_;
  std::shared_ptr<spdlog::logger> before_;
};

class Node {
 public:
  Node() {
    spdlog::set_level(spdlog::level::off);
    kernel.plugCard("eth0", {"10.0.0.10/24"});
    REQUIRE(kernel.byOthers(Verb::add, Route{.dst = *Prefix::parse("0.0.0.0/0"),
                                             .link = "eth0",
                                             .via = *IpAddress::parse("10.0.0.1"),
                                             .protocol = 3}));
    startAgent();
  }
  ~Node() { std::filesystem::remove_all(directory); }

  /// As after a kill -9: nothing of the old agent is left but files and the kernel.
  void startAgent() {
    agent.reset();
    auto attachments = Attachments::open(directory + "/state");
    REQUIRE(attachments);
    Options options{.node = "node1",
                    .underlay = rules,
                    .stateDir = directory + "/state",
                    .subnetFile = directory + subnetFile};
    agent = std::make_unique<Agent>(io, options, kernel, datastore, std::move(*attachments),
                                    [](const IpAddress&) -> Result<std::string> { return "eth0"; });
    REQUIRE(agent->start());
  }

  void settle() {
    for (int idle = 0, rounds = 0; idle < 3 && rounds < 1000; ++rounds) {
      io.restart();
      idle = io.poll() == 0 ? idle + 1 : 0;
    }
  }

  void join(const Cluster& cluster = threeNodes()) {
    datastore.say(cluster);
    settle();
  }

  [[nodiscard]] const Route* routeTo(const std::string& prefix) const {
    for (const auto& [key, route] : kernel.all().routes) {
      if (key.dst == *Prefix::parse(prefix) && route.ours()) return &route;
    }
    return nullptr;
  }

  [[nodiscard]] bool hasProblem(const std::string& words) const {
    auto all = agent->problems().all();
    return std::any_of(all.begin(), all.end(),
                       [&](const std::string& text) { return text.find(words) != std::string::npos; });
  }

  /// A container whose namespace goes without a DEL, and its interface with it.
  void attachAndLoseNamespace(const std::string& id) {
    const auto attachment = agent->attach(container(id));
    REQUIRE(attachment);
    settle();
    REQUIRE(kernel.byOthers(Verb::remove, kernel.all().links.at(attachment->hostIfname)));
    kernel.refuse([key = attachment->key()](const Operation& operation) { return operation.owner() == key; },
                  {.text = "no such namespace", .kind = Error::Kind::invalid, .code = ESTALE}, 1);
  }

  [[nodiscard]] AttachRequest container(const std::string& id) const {
    return {.network = "net", .containerId = id, .ifname = "eth0", .netns = directory + "/" + id};
  }

  std::string directory = makeDirectory();
  std::string subnetFile = "/subnet.env";
  UnderlayRules rules;
  boost::asio::io_context io;
  FakeKernel kernel;
  MemoryDatastore datastore{io};
  std::unique_ptr<Agent> agent;

 private:
  static std::string makeDirectory() {
    std::string name = std::filesystem::temp_directory_path() / "twill-agent-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    REQUIRE(makeDirectories(name + "/state"));
    return name;
  }
};

}  // namespace

TEST_CASE("the agent routes to every peer, is ready, and writes subnet.env") {
  Node node;
  CHECK_FALSE(node.agent->ready());
  node.join();
  REQUIRE(node.routeTo("172.16.1.0/24") != nullptr);
  CHECK(node.routeTo("172.16.1.0/24")->via->text() == "10.0.0.20");
  CHECK(node.routeTo("172.16.2.0/24") != nullptr);
  CHECK(node.routeTo("172.16.0.0/24") == nullptr);
  CHECK(node.agent->ready());
  CHECK(node.agent->problems().all().empty());
  CHECK(readFile(node.directory + "/subnet.env")->find("FLANNEL_SUBNET=172.16.0.1/24\n") !=
        std::string::npos);
  CHECK(node.datastore.published.empty());
}

TEST_CASE("until the map is known the kernel stays as it is") {
  Node node;
  node.join();
  node.startAgent();
  node.settle();
  node.datastore.say(fail("leases.json line 3: not JSON"));
  node.settle();
  CHECK(node.routeTo("172.16.1.0/24") != nullptr);
  CHECK_FALSE(node.agent->ready());
  CHECK(node.hasProblem("leases.json line 3"));
}

TEST_CASE("a new agent adopts what the old one left and changes nothing") {
  Node node;
  node.join();
  node.kernel.clearLog();
  node.startAgent();
  node.join();
  CHECK(node.kernel.log().empty());
  CHECK(node.agent->ready());
}

TEST_CASE("a peer that left loses its route, a peer that moved gets a new one") {
  Node node;
  node.join();
  Cluster cluster = threeNodes();
  cluster.leases.pop_back();
  cluster.leases[1].publicIp = *IpAddress::parse("10.0.0.21");
  node.join(cluster);
  CHECK(node.routeTo("172.16.2.0/24") == nullptr);
  CHECK(node.routeTo("172.16.1.0/24")->via->text() == "10.0.0.21");
}

TEST_CASE("drift is repaired when the kernel tells of it, and counted") {
  Node node;
  node.join();
  Route route = *node.routeTo("172.16.1.0/24");
  REQUIRE(node.kernel.byOthers(Verb::remove, route));
  node.settle();
  CHECK(node.routeTo("172.16.1.0/24") != nullptr);
  CHECK(node.agent->journal().repairs() == 1);
  CHECK(node.agent->ready());
}

TEST_CASE("lost notifications are made up for by reading the kernel") {
  Node node;
  node.join();
  REQUIRE(node.kernel.byOthers(Verb::remove, *node.routeTo("172.16.1.0/24")));
  node.kernel.loseNotifications();
  node.settle();
  CHECK(node.routeTo("172.16.1.0/24") != nullptr);
}

TEST_CASE("an underlay that flapped gets its routes back") {
  Node node;
  node.join();
  REQUIRE(node.kernel.changeLink("eth0", [](Link& link) { link.up = false; }));
  node.settle();
  CHECK(node.routeTo("172.16.1.0/24") == nullptr);
  CHECK_FALSE(node.agent->ready());
  REQUIRE(node.kernel.changeLink("eth0", [](Link& link) { link.up = true; }));
  node.settle();
  CHECK(node.routeTo("172.16.1.0/24") != nullptr);
  CHECK(node.agent->ready());
}

TEST_CASE("a peer whose route is refused hurts only itself and is tried again") {
  Node node;
  node.kernel.refuse([](const Operation& operation) { return operation.owner() == "node2"; },
                     {.text = "no memory", .code = ENOMEM}, 1);
  node.join();
  CHECK(node.routeTo("172.16.1.0/24") == nullptr);
  CHECK(node.routeTo("172.16.2.0/24") != nullptr);
  CHECK_FALSE(node.agent->ready());
  CHECK(node.hasProblem("no memory"));
  node.io.restart();
  node.io.run_for(std::chrono::milliseconds(300));
  CHECK(node.routeTo("172.16.1.0/24") != nullptr);
  CHECK(node.agent->ready());
  CHECK(node.agent->problems().all().empty());
}

TEST_CASE("a foreign route in the way is named and left alone") {
  Node node;
  Route foreign{.dst = *Prefix::parse("172.16.1.0/24"),
                .metric = 5,
                .link = "eth0",
                .via = *IpAddress::parse("10.0.0.99"),
                .protocol = 4};
  REQUIRE(node.kernel.byOthers(Verb::add, foreign));
  node.join();
  CHECK(node.hasProblem("172.16.1.0/24"));
  CHECK(node.kernel.all().routes.at({foreign.dst, 5}).via->text() == "10.0.0.99");
  REQUIRE(node.kernel.byOthers(Verb::remove, foreign));
  node.settle();
  CHECK(node.agent->problems().all().empty());
  CHECK(node.agent->ready());
}

TEST_CASE("a foreign route that ours goes before is said, and does not make the node unready") {
  Node node;
  REQUIRE(node.kernel.byOthers(Verb::add, Route{.dst = *Prefix::parse("172.16.1.0/24"),
                                                .metric = 1'000'000,
                                                .link = "eth0",
                                                .via = *IpAddress::parse("10.0.0.99"),
                                                .protocol = 4}));
  node.join();
  CHECK(node.hasProblem("overshadows route 172.16.1.0/24 via 10.0.0.99"));
  CHECK(node.agent->ready());
}

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
  CHECK(node.datastore.published.empty());

  cluster.leases[0].backendType = "vxlan";  // so that it has to be written anew
  node.join(cluster);
  REQUIRE(node.datastore.published.size() == 1);
  CHECK(node.datastore.published[0] == leaseOf("node1", "172.16.0.0/24", "10.0.0.10"));
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

TEST_CASE(
    "a public address that is not on the underlay is said with host-gw, whose peers send straight to it") {
  Node node;
  node.rules.publicIp = *IpAddress::parse("203.0.113.9");
  node.startAgent();
  Cluster cluster = threeNodes();
  cluster.leases[0].publicIp = node.rules.publicIp;
  node.join(cluster);
  CHECK(node.hasProblem("203.0.113.9 is given out as this node's address but is not on eth0"));
  CHECK(node.agent->ready());
  node.rules.publicIp = *IpAddress::parse("10.0.0.10");
  node.startAgent();
  node.join();
  CHECK(node.agent->problems().all().empty());
}

TEST_CASE("an unknown backend is refused with the known ones, and changes nothing") {
  Node node;
  node.join();
  Cluster cluster = threeNodes();
  cluster.network.backend.type = "carrier-pigeon";
  node.join(cluster);
  CHECK(node.hasProblem("carrier-pigeon"));
  CHECK(node.routeTo("172.16.1.0/24") != nullptr);
}

TEST_CASE("a restart under a network config that cannot be done takes nothing out of the kernel") {
  Node node;
  node.join();
  node.startAgent();
  Cluster cluster = threeNodes();
  cluster.network.backend.type = "carrier-pigeon";
  node.join(cluster);
  CHECK(node.hasProblem("carrier-pigeon"));
  CHECK(node.routeTo("172.16.1.0/24") != nullptr);
  CHECK_FALSE(node.agent->ready());
}

TEST_CASE("a lease that went while the agent was away leaves the containers their gateway") {
  Node node;
  node.join();
  REQUIRE(node.agent->attach(node.container("c1")));
  AddressKey gateway{"twill0", *InterfaceAddress::parse("172.16.0.1/24")};
  REQUIRE(node.kernel.all().addresses.contains(gateway));
  Cluster cluster = threeNodes();
  cluster.leases.erase(cluster.leases.begin());
  node.startAgent();
  node.kernel.clearLog();
  node.join(cluster);
  CHECK_FALSE(node.agent->ready());
  CHECK(node.kernel.all().addresses.contains(gateway));
  CHECK(node.kernel.log().empty());
}

TEST_CASE("a lease without a subnet is none: no container comes up without an address") {
  Node node;
  Cluster cluster = threeNodes();
  cluster.leases[0].subnet.reset();
  node.join(cluster);
  CHECK(node.datastore.published.size() == 1);
  CHECK_FALSE(node.agent->ready());
  CHECK_FALSE(node.agent->attach(node.container("c1")));
}

TEST_CASE("drift that is noticed while a container comes or goes is repaired") {
  Node node;
  node.join();
  REQUIRE(node.kernel.byOthers(Verb::remove, *node.routeTo("172.16.1.0/24")));
  REQUIRE(node.agent->attach(node.container("c1")));
  node.settle();
  CHECK(node.routeTo("172.16.1.0/24") != nullptr);
  REQUIRE(node.kernel.byOthers(Verb::remove, node.kernel.all().links.at("twill0")));
  CHECK(node.agent->attach(node.container("c2")));
  REQUIRE(node.kernel.byOthers(Verb::remove, *node.routeTo("172.16.2.0/24")));
  REQUIRE(node.agent->detach(node.container("c1").key()));
  node.settle();
  CHECK(node.routeTo("172.16.2.0/24") != nullptr);
}

TEST_CASE("a container whose namespace went without a DEL is let go, and may come again") {
  Node node;
  node.join();
  node.attachAndLoseNamespace("c1");
  node.kernel.clearLog();
  node.settle();
  node.join();  // another change of the map does not bring it back either
  node.io.restart();
  node.io.run_for(std::chrono::milliseconds(50));
  const auto& log = node.kernel.log();
  CHECK(std::count_if(log.begin(), log.end(),
                      [](const std::string& line) { return line.find("veth") != std::string::npos; }) == 1);
  CHECK(node.kernel.all().setElements.empty());
  CHECK(node.agent->ready());
  CHECK(node.agent->problems().all().empty());

  auto again = node.agent->attach(node.container("c1"));
  REQUIRE(again);
  CHECK(node.kernel.all().links.contains(again->hostIfname));
  node.settle();
  CHECK(node.agent->ready());
}

TEST_CASE("what a reboot has taken frees its address when the agent starts") {
  Node node;
  node.join();
  node.attachAndLoseNamespace("c1");
  node.startAgent();
  node.join();
  CHECK(node.agent->attachments().all().empty());
  CHECK_FALSE(node.kernel.all().links.contains("twill0"));
  CHECK(node.agent->ready());
}

TEST_CASE("GC takes what is not listed, of its network only") {
  Node node;
  node.join();
  auto other = node.container("c2");
  other.network = "other";
  for (const auto& request : {node.container("c1"), node.container("c2"), other}) {
    REQUIRE(node.agent->attach(request));
  }
  REQUIRE(node.agent->collect("net", {{"c1", "eth0"}}));
  CHECK(node.agent->attachments().find("net/c1/eth0") != nullptr);
  CHECK(node.agent->attachments().find("net/c2/eth0") == nullptr);
  CHECK(node.agent->attachments().find("other/c2/eth0") != nullptr);
}

TEST_CASE("a gateway of a container's own network stays on the bridge until the last of them is gone") {
  Node node;
  node.join();
  const AddressKey gateway{"twill0", *InterfaceAddress::parse("10.9.0.1/24")};
  for (const char* id : {"c1", "c2", "c3"}) {
    auto request = node.container(id);
    if (id[1] != '3') request.ranges = {{{.subnet = *Prefix::parse("10.9.0.0/24")}}};
    REQUIRE(node.agent->attach(request));
  }
  REQUIRE(node.agent->detach("net/c1/eth0"));
  CHECK(node.kernel.all().addresses.contains(gateway));
  REQUIRE(node.agent->detach("net/c2/eth0"));
  CHECK_FALSE(node.kernel.all().addresses.contains(gateway));
  CHECK(node.kernel.all().addresses.contains({"twill0", *InterfaceAddress::parse("172.16.0.1/24")}));
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

TEST_CASE("a node that forwards IPv6 goes on taking its default route from router advertisements") {
  Node node;
  REQUIRE(node.kernel.byOthers(
      Verb::add, Address{.link = "eth0", .address = *InterfaceAddress::parse("fd00::10/64"), .protocol = 0}));
  Cluster cluster = threeNodes();
  cluster.network.v6 = FamilyConfig{.network = *Prefix::parse("fd42::/56"),
                                    .subnetLength = 64,
                                    .subnetMin = *Prefix::parse("fd42:0:0:1::/64"),
                                    .subnetMax = *Prefix::parse("fd42:0:0:ff::/64")};
  Log log;
  node.join(cluster);
  const auto& settings = node.kernel.all().sysctls;
  CHECK(settings.at("net/ipv6/conf/all/forwarding").value == "1");
  CHECK(settings.at("net/ipv6/conf/eth0/accept_ra").value == "2");
  // All of this was known before the first decision, so that nothing had to be decided anew.
  CHECK(log.count("underlay: eth0 10.0.0.10 fd00::10 by the default route") == 1);
  CHECK(log.count("underlay:") == 1);
  CHECK(log.count("start: ") == static_cast<int>(node.kernel.log().size()));
}

TEST_CASE("subnet.env is written into a directory that is not there yet, and again when it was deleted") {
  Node node;
  std::filesystem::remove(node.directory + "/subnet.env");
  node.subnetFile = "/flannel/subnet.env";
  node.startAgent();
  node.join();
  CHECK(std::filesystem::exists(node.directory + "/flannel/subnet.env"));
  std::filesystem::remove(node.directory + "/flannel/subnet.env");
  node.join();
  CHECK(std::filesystem::exists(node.directory + "/flannel/subnet.env"));
  CHECK_FALSE(node.hasProblem("subnet.env"));
}

TEST_CASE("a kernel that could not be read is read again soon") {
  Node node;
  node.join();
  REQUIRE(node.kernel.byOthers(Verb::remove, *node.routeTo("172.16.1.0/24")));
  node.kernel.loseNotifications();
  node.kernel.failReads(1);
  node.settle();
  CHECK(node.hasProblem("the list changed"));
  node.io.restart();
  node.io.run_for(std::chrono::milliseconds(1200));
  CHECK(node.routeTo("172.16.1.0/24") != nullptr);
  CHECK(node.agent->problems().all().empty());
}

TEST_CASE("somebody who works against the agent costs neither the processor nor the repair") {
  Node node;
  bool fight = true;
  // Whoever adds one of the two routes loses the other.
  auto undo = [&](const Operation& operation) {
    bool first = operation.owner() == "node2";
    const Route* other = fight ? node.routeTo(first ? "172.16.2.0/24" : "172.16.1.0/24") : nullptr;
    if (other != nullptr) (void)node.kernel.byOthers(Verb::remove, Route(*other));
    return false;
  };
  node.kernel.refuse(undo, {}, 1);
  node.join();
  CHECK_FALSE(node.agent->ready());
  CHECK(node.kernel.log().size() < 20);
  fight = false;
  node.io.restart();
  node.io.run_for(std::chrono::milliseconds(1200));
  CHECK(node.agent->ready());
}

TEST_CASE("somebody who undoes every repair, for ever, fills neither the log nor the processor") {
  Node node;
  node.join();
  Log log;
  bool fight = true;
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(1500);
  int undone = 0;
  while (std::chrono::steady_clock::now() < end) {
    const Route* route = node.routeTo("172.16.1.0/24");
    if (fight && route != nullptr && ++undone > 0) REQUIRE(node.kernel.byOthers(Verb::remove, Route(*route)));
    node.io.restart();
    node.io.run_for(std::chrono::milliseconds(1));
  }
  CHECK(undone > 5);
  CHECK(undone < 20);
  CHECK(log.count("172.16.1.0/24") <= 10);
  CHECK(log.count("ready") <= 20);
  CHECK(node.routeTo("172.16.2.0/24") != nullptr);
  fight = false;
  node.io.restart();
  node.io.run_for(std::chrono::milliseconds(1100));
  CHECK(node.agent->ready());
}

TEST_CASE("damage that is repaired at once does not make the node unready in the log") {
  Node node;
  node.join();
  Log log;
  REQUIRE(node.kernel.byOthers(Verb::remove, *node.routeTo("172.16.1.0/24")));
  node.settle();
  CHECK(log.count("drift: add route 172.16.1.0/24") == 1);
  CHECK(log.count("ready") == 0);
}

TEST_CASE("a record that makes no sense is set aside and named") {
  Node node;
  REQUIRE(writeFile(node.directory + "/state/attachments/net:c1:eth0.json", "{", Durability::process));
  node.startAgent();
  CHECK(node.hasProblem("net:c1:eth0.json"));
  CHECK(node.hasProblem("expected"));
}

TEST_CASE("a container whose record says nothing keeps its interface until it is deleted") {
  for (AttachMode mode : {AttachMode::bridge, AttachMode::routed}) {
    Node node;
    node.join();
    AttachRequest request = node.container("c1");
    request.mode = mode;
    auto attachment = node.agent->attach(request);
    REQUIRE(attachment);
    node.settle();
    auto before = node.kernel.all();
    REQUIRE(writeFile(node.directory + "/state/attachments/net:c1:eth0.json", "{", Durability::process));
    for (int start = 0; start < 2; ++start) {  // the second one finds the record set aside
      node.startAgent();
      node.kernel.clearLog();
      node.join();
      CHECK(node.kernel.log().empty());
      CHECK(node.hasProblem(attachment->hostIfname));
      CHECK(node.agent->ready());
    }
    auto again = node.agent->attach(request);
    REQUIRE_FALSE(again);
    CHECK(again.error().kind == Error::Kind::exists);
    CHECK(node.kernel.all().links.contains(attachment->hostIfname));

    REQUIRE(node.agent->detach(attachment->key()));
    node.settle();
    CHECK_FALSE(node.kernel.all().links.contains(attachment->hostIfname));
    CHECK_FALSE(node.kernel.all().links.contains("twill0"));
    CHECK(node.agent->problems().all().empty());
    CHECK(node.agent->attach(request));
  }
}

TEST_CASE("a record that cannot be read stays where it is, and its container's interface too") {
  Node node;
  node.join();
  auto attachment = node.agent->attach(node.container("c1"));
  REQUIRE(attachment);
  std::string record = node.directory + "/state/attachments/net:c1:eth0.json";
  std::filesystem::remove(record);
  REQUIRE(makeDirectories(record));  // to read it is an error of the system, as of a bad disk
  node.startAgent();
  node.join();
  CHECK(node.kernel.all().links.contains(attachment->hostIfname));
  CHECK(std::filesystem::exists(record));
  CHECK(node.hasProblem(record));

  REQUIRE(node.kernel.byOthers(Verb::remove, node.kernel.all().links.at(attachment->hostIfname)));
  node.settle();
  CHECK(node.agent->attach(node.container("c1")));  // nothing is there that could be alive
  CHECK(node.agent->problems().all().empty());
}

TEST_CASE("a peer that keeps failing is said once in the log") {
  Node node;
  Log logged;
  node.kernel.refuse([](const Operation& operation) { return operation.owner() == "node2"; },
                     {.text = "no memory", .code = ENOMEM}, 1000);
  node.join();
  node.io.restart();
  node.io.run_for(std::chrono::milliseconds(200));
  std::string log = logged.text();
  CHECK(node.kernel.log().size() > 5);
  auto first = log.find("172.16.1.0/24");
  CHECK(first != std::string::npos);
  CHECK(log.find('\n', first) < log.size());
  CHECK(log.find("172.16.1.0/24", log.find('\n', first)) == std::string::npos);
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

TEST_CASE("a further address on the underlay, such as a virtual one, changes nothing") {
  Node node;
  node.join();
  for (const char* text : {"10.0.0.5/24", "10.0.0.6/32"}) {
    REQUIRE(node.kernel.byOthers(
        Verb::add, Address{.link = "eth0", .address = *InterfaceAddress::parse(text), .protocol = 0}));
    node.settle();
  }
  node.startAgent();
  node.join();
  CHECK(node.datastore.published.empty());
  CHECK(node.agent->underlay()->publicIp->text() == "10.0.0.10");
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

namespace {

AttachRequest withPort(AttachRequest request, std::uint16_t hostPort) {
  request.ports.push_back({.hostIp = std::nullopt, .hostPort = hostPort, .containerPort = 80});
  return request;
}

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
