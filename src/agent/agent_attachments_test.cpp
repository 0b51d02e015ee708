// SPDX-License-Identifier: Apache-2.0
// Containers: what they ask for while the loop goes on, and what is left of them.
#include <fmt/format.h>

#include "agent_node.hpp"

using namespace twill;
using namespace twill::test;

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

TEST_CASE("the bridge answers for routed containers, whichever kind came first") {
  for (const bool bridgedFirst : {false, true}) {
    Node node;
    node.join();
    const AttachRequest bridged = node.container("c1");
    AttachRequest routed = node.container("c2");
    routed.mode = AttachMode::routed;
    REQUIRE(node.agent->attach(bridgedFirst ? bridged : routed));
    const auto& kernel = node.kernel.all();
    const auto proxies = [&] {
      return std::count_if(kernel.neighbours.begin(), kernel.neighbours.end(),
                           [](const auto& entry) { return entry.first.proxy; });
    };
    CHECK(proxies() == 0);
    REQUIRE(node.agent->attach(bridgedFirst ? routed : bridged));
    const auto address = node.agent->attachments().find(routed.key())->addresses.at(0).address;
    CHECK(kernel.neighbours.contains({"twill0", address, true}));
    CHECK(kernel.sysctls.at("net/ipv4/neigh/twill0/proxy_delay").value == "0");
    node.settle();
    CHECK(node.agent->difference().empty());

    REQUIRE(node.agent->detach(bridgedFirst ? routed.key() : bridged.key()));
    CHECK(proxies() == 0);
    node.settle();
    CHECK(node.agent->ready());
    CHECK(node.agent->difference().empty());
  }
}

TEST_CASE("settings of a routed container's host side go with it") {
  Node node;
  node.join();
  AttachRequest routed = withPort(node.container("c1"), 8080);
  routed.mode = AttachMode::routed;
  REQUIRE(node.agent->attach(routed));
  REQUIRE(node.agent->attach(withPort(node.container("c2"), 8081)));
  REQUIRE(node.agent->detach("net/c2/eth0"));  // and twill0 with the last one on it
  node.settle();
  CHECK(node.agent->ready());
  REQUIRE(node.agent->attach(node.container("c3")));
  REQUIRE(node.agent->detach(routed.key()));
  node.settle();
  CHECK(node.agent->ready());
  CHECK(node.agent->problems().all().empty());
  CHECK(node.agent->difference().empty());
}

TEST_CASE(
    "a container's interface that cannot be made is named as its user knows it, anything else as it is") {
  Node node;
  node.join();
  const auto errorWhere = [&](const std::string& operation) {
    node.kernel.refuse(
        [=](const Operation& one) { return describe(one).find(operation) != std::string::npos; },
        {.text = "why", .kind = Error::Kind::exists}, 1);
    const auto attached = node.agent->attach(withPort(node.container("c1"), 8080));
    REQUIRE_FALSE(attached);
    CHECK(attached.error().kind == Error::Kind::exists);
    return attached.error().text;
  };
  CHECK(errorWhere("veth tw") == "eth0 of container c1: why");
  CHECK(errorWhere("tcp . 8080").starts_with("add element inet twill ports4 "));
}

TEST_CASE("a freed address rests while there are others, also over a restart") {
  Node node;
  node.join();
  const auto addressOf = [&](const std::string& id) {
    const auto attachment = node.agent->attach(node.container(id));
    REQUIRE(attachment);
    REQUIRE(node.agent->detach(attachment->key()));
    return attachment->addresses.at(0).address.text();
  };
  CHECK(addressOf("c1") == "172.16.0.2");
  node.startAgent();
  node.join();
  for (int last = 3; last < 255; ++last) CHECK(addressOf("c1") == fmt::format("172.16.0.{}", last));
  CHECK(addressOf("c1") == "172.16.0.2");  // a shorter text than the one before
  node.startAgent();
  node.join();
  CHECK(addressOf("c1") == "172.16.0.3");
}

TEST_CASE("an interface that was made without addresses gets them once, and may be made again until then") {
  Node node;
  node.join();
  AttachRequest request = node.container("c1");
  request.given.emplace();
  const auto bare = node.agent->attach(request);
  REQUIRE(bare);
  node.settle();
  const auto link = [&] { return node.kernel.all().links.at(bare->hostIfname); };
  CHECK(link().alias == "twill:unfinished");
  CHECK_FALSE(node.agent->attach(request));
  CHECK_FALSE(node.agent->attach(node.container("c1")));
  node.startAgent();  // nothing is forgotten, and nothing is made of it
  node.join();
  CHECK(link().alias == "twill:unfinished");

  request.given->push_back({*InterfaceAddress::parse("172.16.0.200/24"), *IpAddress::parse("172.16.0.1")});
  const auto whole = node.agent->attach(request);
  REQUIRE(whole);
  node.settle();
  CHECK(whole->mac == bare->mac);
  CHECK(link().alias == "twill:net/c1/eth0");
  CHECK(link().index == node.agent->actual().links.at(bare->hostIfname).index);
  CHECK(node.agent->difference().empty());
  CHECK_FALSE(node.agent->attach(request));
  REQUIRE(node.agent->detach(whole->key()));
  node.settle();
  CHECK_FALSE(node.kernel.all().links.contains(bare->hostIfname));
}

TEST_CASE("the fast path follows containers and map when it is asked for") {
  Node node;
  node.join();
  CHECK_FALSE(node.kernel.fastPath());
  node.fastPath = true;
  node.startAgent();
  node.join();
  REQUIRE(node.kernel.fastPath());
  CHECK(node.kernel.fastPath()->containers.empty());
  CHECK(node.kernel.fastPath()->peers.size() == 2);
  REQUIRE(node.agent->attach(node.container("c1")));
  node.settle();
  CHECK(node.kernel.fastPath()->containers.size() == 1);
  REQUIRE(node.agent->detach(node.container("c1").key()));
  node.settle();
  CHECK(node.kernel.fastPath()->containers.empty());
  node.fastPath = false;
  node.startAgent();
  node.join();
  CHECK_FALSE(node.kernel.fastPath());
}

TEST_CASE("what comes out of ipip goes to the containers' links without the bridge") {
  Node node;
  Cluster cluster = threeNodes();
  cluster.network.backend.type = "ipip";
  node.join(cluster);
  CHECK(node.kernel.tunnelPorts().empty());
  const auto made = node.agent->attach(node.container("c1"));
  REQUIRE(made);
  node.settle();
  REQUIRE(node.kernel.tunnelPorts().size() == 1);
  const auto& port = node.kernel.tunnelPorts()[0];
  const auto& links = node.agent->actual().links;
  CHECK(port.tunnel == links.at("twill-ipip").index);
  CHECK(port.mac == made->mac);
  CHECK(port.link == links.at(made->hostIfname).index);
  CHECK(port.bridge == links.at(made->bridge).index);
  REQUIRE(node.agent->detach(made->key()));
  node.settle();
  CHECK(node.kernel.tunnelPorts().empty());
}

TEST_CASE(
    "what comes out of udp goes to the containers' links without the bridge where programs take it out") {
  Node node;
  Cluster cluster = threeNodes();
  cluster.network.backend.type = "udp";
  node.join(cluster);
  REQUIRE(node.agent->attach(node.container("c1")));
  node.settle();
  REQUIRE(node.kernel.tunnelPorts().size() == 1);
  CHECK(node.kernel.tunnelPorts()[0].tunnel == node.agent->actual().links.at("twill-udp").index);
  cluster.network.backend.engine = "user";
  node.join(cluster);
  CHECK(node.kernel.tunnelPorts().empty());
}

TEST_CASE(
    "ipip goes by the kernel's driver where there is one, and each engine stays until the other is there") {
  Node node;
  Cluster cluster = threeNodes();
  cluster.network.backend.type = "ipip";
  cluster.network.backend.directRouting = false;
  cluster.network.backend.engine = "ebpf";
  for (Lease& lease : cluster.leases) lease.backendType = "ipip";
  node.kernel.addDriver(LinkKind::ipip);
  node.kernel.addDriver(LinkKind::sit);
  node.join(cluster);
  REQUIRE(node.kernel.ipip());
  const auto change = [&](const char* engine) {
    node.kernel.clearLog();
    cluster.network.backend.engine = engine;
    node.join(cluster);
    CHECK(node.agent->ready());
  };
  const auto place = [&](const std::string& text) {
    const auto& log = node.kernel.log();
    const auto found =
        std::find_if(log.begin(), log.end(), [&](const auto& line) { return line.starts_with(text); });
    REQUIRE_MESSAGE(found != log.end(), text);
    return found - log.begin();
  };
  change("auto");
  CHECK_FALSE(node.kernel.ipip());
  CHECK_FALSE(node.kernel.all().links.contains("twill-ipip"));
  CHECK(place("add ipip twill-ipip4") < place("change route 172.16.1.0/24 via 10.0.0.20 dev twill-ipip4"));
  CHECK(place("change route 172.16.1.0/24") < place("no ipip by programs"));
  CHECK(place("no ipip by programs") < place("remove tun twill-ipip"));
  change("ebpf");
  CHECK(node.kernel.ipip());
  CHECK_FALSE(node.kernel.all().links.contains("twill-ipip4"));
  CHECK(place("add tun twill-ipip") < place("ipip by programs"));
  CHECK(place("ipip by programs") < place("change route 172.16.1.0/24 dev twill-ipip"));
  CHECK(place("change route 172.16.1.0/24") < place("remove ipip twill-ipip4"));
}

TEST_CASE("what a router says of a packet to a peer is in that peer's route, if it may be true") {
  Node node;
  Cluster cluster = threeNodes();
  cluster.network.backend.type = "ipip";
  cluster.network.backend.directRouting = false;
  for (Lease& lease : cluster.leases) lease.backendType = "ipip";
  node.join(cluster);
  const TooBig said{.source = *IpAddress::parse("10.0.0.10"),
                    .destination = *IpAddress::parse("10.0.0.20"),
                    .protocol = 4,
                    .bytes = 1500,
                    .mtu = 1400};
  const auto hear = [&](const TooBig& one) {
    node.agent->hear(one);
    node.settle();
    return node.routeTo("172.16.1.0/24")->mtu;
  };
  auto stranger = said, other = said;
  stranger.destination = *IpAddress::parse("10.0.0.99");
  other.source = *IpAddress::parse("10.0.0.30");
  CHECK(hear(stranger) == 0);
  CHECK(hear(other) == 0);
  CHECK(hear(said) == 1380);
  CHECK(node.routeTo("172.16.2.0/24")->mtu == 0);
  CHECK(node.agent->ready());
}

TEST_CASE("a kernel that takes no fast path is a problem that is told, and no reason to be unready") {
  Node node;
  node.fastPath = true;
  node.kernel.refuseFastPath({.text = "load the fast path: this kernel has no bpf_skb_ct_lookup()"});
  node.startAgent();
  node.join();
  CHECK(node.agent->ready());
  CHECK(node.agent->problems().all() ==
        std::vector<std::string>{
            "fast path: load the fast path: this kernel has no bpf_skb_ct_lookup(); packets go "
            "by bridge and routing"});
}
