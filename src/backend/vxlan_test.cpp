// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "backend/samples.hpp"
#include "plan/network_names.hpp"

using namespace twill;
using namespace twill::samples;

namespace {

const Backend& backend() {
  return **findBackend("vxlan");
}

/// twoNodes() with what their agents publish.
Cluster published(const BackendConfig& config = {}) {
  auto cluster = twoNodes();
  cluster.network.backend = config;
  cluster.network.backend.type = "vxlan";
  for (auto& lease : cluster.leases) backend().publish(cluster.network, lease);
  return cluster;
}

Desired vxlan(const Cluster& cluster, const Self& self = node1()) {
  Desired out;
  backend().desired(cluster, self, out);
  return out;
}

std::string onlyNotice(const Cluster& cluster, const Self& self = node1()) {
  const auto notices = vxlan(cluster, self).notices;
  return notices.size() == 1 ? notices.front() : "";
}

}  // namespace

TEST_CASE("a device in each family, and for a peer a neighbour, a forwarding entry and a route over it") {
  const auto out = vxlan(published());
  KernelState all = out.state;
  all.firewalls.clear();
  all.setElements.clear();
  CHECK(text({.state = all}) ==
        "ip link add twill-vx1 type vxlan id 1 dev eth0 local 10.0.0.10 dstport 8472 nolearning\n"
        "ip link set dev twill-vx1 alias twill:vxlan mtu 1450 address 5e:da:8b:1a:20:6f up\n"
        "ip link add twill6vx1 type vxlan id 1 dev eth0 local fd00::10 dstport 8472 nolearning\n"
        "ip link set dev twill6vx1 alias twill:vxlan mtu 1430 address ca:d8:96:88:4f:c8 up\n"
        "sysctl -w net.ipv6.conf.twill6vx1.accept_ra=0\n"
        "ip address add 172.16.0.0/32 dev twill-vx1\n"
        "ip address add fd42::/128 dev twill6vx1 nodad\n"
        "ip neigh replace 172.16.1.0 lladdr fa:10:d9:90:88:0e dev twill-vx1 nud permanent protocol 116\n"
        "ip neigh replace fe80::2463:43ff:fecc:292c lladdr 26:63:43:cc:29:2c dev twill6vx1 nud permanent "
        "protocol 116\n"
        "bridge fdb replace fa:10:d9:90:88:0e dev twill-vx1 dst 10.0.0.20 self permanent\n"
        "bridge fdb replace 26:63:43:cc:29:2c dev twill6vx1 dst fd00::20 self permanent\n"
        "ip route add 10.0.0.20/32 via 172.16.1.0 dev twill-vx1 table 116 metric 2001 onlink proto 116\n"
        "ip route add 172.16.1.0/24 via 172.16.1.0 dev twill-vx1 metric 2001 onlink proto 116\n"
        "ip -6 route add fd00::20/128 via fe80::2463:43ff:fecc:292c dev twill6vx1 table 116 metric 2001 "
        "proto 116\n"
        "ip -6 route add fd42:0:0:1::/64 via fe80::2463:43ff:fecc:292c dev twill6vx1 metric 2001 proto 116\n"
        "ip rule add from 172.16.0.0/24 lookup 116 priority 11600 protocol 116\n"
        "ip -6 rule add from fd42::/64 lookup 116 priority 11600 protocol 116\n");
  CHECK(out.state.routes.begin()->second.owner == "node2");
  CHECK(out.state.links.begin()->second.owner == "node");
}

TEST_CASE("each device has its checksum offload as this node is to have it") {
  auto self = node1();
  CHECK(vxlan(published(), self).state.links.at("twill-vx1").checksumOffload == true);
  self.checksumOffload.on = false;
  for (const auto& [name, link] : vxlan(published(), self).state.links) CHECK(link.checksumOffload == false);
}

TEST_CASE("only peers get in, each with packets from its own subnet and address") {
  const auto state = vxlan(published()).state;
  CHECK(
      state.firewalls.at(kTable).chains.at("tunnel").rules ==
      std::vector<std::string>{
          "meta nfproto ipv4 udp dport 8472 @th,224,16 0x800 @th,240,4 4 ip saddr . @th,336,32 & 4294967040 "
          "@senders4_24 accept",
          "meta nfproto ipv4 udp dport 8472 @th,224,16 0x800 @th,240,4 4 ip saddr . @th,336,32 @senders4_32 "
          "accept",
          "meta nfproto ipv4 udp dport 8472 counter name strangers4 drop",
          "meta nfproto ipv6 udp dport 8472 @th,224,16 0x86dd @th,240,4 6 ip6 saddr . @th,304,128 & "
          "0xffffffffffffffff0000000000000000 @senders6_64 accept",
          "meta nfproto ipv6 udp dport 8472 @th,224,16 0x86dd @th,240,4 6 ip6 saddr . @th,304,128 "
          "@senders6_128 accept",
          "meta nfproto ipv6 udp dport 8472 counter name strangers6 drop"});
  CHECK(state.firewalls.at(kTable).chains.at("tunnel_forward").rules ==
        std::vector<std::string>{
            "iifname \"tw*\" udp dport 8472 ip daddr != 172.16.0.0/16 counter name strangers4 drop",
            "iifname \"tw*\" udp dport 8472 ip6 daddr != fd42::/56 counter name strangers6 drop"});
  std::string elements;
  for (const auto& [key, element] : state.setElements) elements += element.set + " " + element.text() + "\n";
  CHECK(elements ==
        "senders4_24 10.0.0.20 . 2886729984\n"
        "senders4_32 10.0.0.20 . 167772180\n"
        "senders6_128 fd00::20 . 0xfd000000000000000000000000000020\n"
        "senders6_64 fd00::20 . 0xfd420000000000010000000000000000\n");
}

TEST_CASE("subnets of other lengths are found by rules of their own") {
  auto cluster = published();
  cluster.leases.push_back(cluster.leases[1]);
  cluster.leases.back().node = "node3";
  cluster.leases.back().publicIp = *IpAddress::parse("10.0.0.30");
  cluster.leases.back().subnet = *Prefix::parse("172.16.2.0/28");
  const auto state = vxlan(cluster).state;
  const auto& rules = state.firewalls.at(kTable).chains.at("tunnel").rules;
  CHECK(rules.at(1) ==
        "meta nfproto ipv4 udp dport 8472 @th,224,16 0x800 @th,240,4 4 ip saddr . @th,336,32 & 4294967280 "
        "@senders4_28 "
        "accept");
  CHECK(rules.at(3) == "meta nfproto ipv4 udp dport 8472 counter name strangers4 drop");
  CHECK(state.setElements.contains({kTable, "senders4_28", "10.0.0.30 . 2886730240"}));
  CHECK(state.setElements.contains({kTable, "senders4_24", "10.0.0.20 . 2886729984"}));
}

TEST_CASE("who has this node's address on the underlay does not get in") {
  auto self = node1();
  self.lease.publicIp = *IpAddress::parse("192.0.2.1");
  auto cluster = published();
  cluster.leases[1].publicIp = self.underlay.v4->address;
  for (const auto& [key, element] : vxlan(cluster, self).state.setElements)
    CHECK(element.set.find('6') != std::string::npos);
}

TEST_CASE("what is published is what flannel publishes, and stays the same") {
  const auto lease = published().leases.at(0);
  CHECK(lease.backendData == R"({"VNI":1,"VtepMAC":"5e:da:8b:1a:20:6f"})");
  CHECK(lease.backendV6Data == R"({"VNI":1,"VtepMAC":"ca:d8:96:88:4f:c8"})");
  CHECK(published().leases.at(0) == lease);
  CHECK(published({.vni = 2}).leases.at(0).backendData != lease.backendData);
}

TEST_CASE("a name fits whatever the VNI, and the port is flannel's unless another is given") {
  for (const std::uint32_t vni : {1U, 9'999'999U, 10'000'000U, 16'777'215U}) {
    for (const auto& [name, link] : vxlan(published({.vni = vni, .port = 4789})).state.links) {
      CHECK(name.size() <= 15);
      CHECK(link.vxlan->vni == vni);
      CHECK(link.vxlan->port == 4789);
    }
  }
  CHECK(vxlan(published()).state.links.begin()->second.vxlan->port == 8472);
}

TEST_CASE("the MTU leaves room for the headers, those of IPv6 are longer") {
  auto network = published().network;
  CHECK(backend().mtu(network, {.mtu = 1500}).value() == 1430);
  network.v6.reset();
  CHECK(backend().mtu(network, {.mtu = 1500}).value() == 1450);
  network.backend.mtu = 1400;
  CHECK(backend().mtu(network, {.mtu = 1500}).value() == 1350);
  network.backend = {.directRouting = true};
  CHECK(backend().mtu(network, {.mtu = 1500}).value() == 1500);
}

TEST_CASE(
    "an MTU in the config that cannot work is refused, one that the underlay does not take is not taken") {
  auto network = published().network;
  network.backend.mtu = 1349;
  CHECK(backend().mtu(network, {.mtu = 1500}).error().text ==
        "network config: Backend.MTU is 1349, of which the tunnel takes 70; leave it out, or make it 1350 or "
        "more");
  network.backend.mtu = 1350;
  CHECK(backend().mtu(network, {.mtu = 1500}).value() == 1280);
  network.v6.reset();
  network.backend.mtu = 100;
  CHECK_FALSE(backend().mtu(network, {.mtu = 1500}));
  network.backend.mtu = 9000;
  CHECK(backend().mtu(network, {.mtu = 1500}).value() == 1450);
  auto cluster = published({.mtu = 9000});
  CHECK(vxlan(cluster).state.links.at("twill-vx1").mtu == 1450);
  CHECK(onlyNotice(cluster) ==
        "Backend.MTU is 9000, but eth0 takes 1500, which is what counts; leave the key out");
}

TEST_CASE("with DirectRouting a peer on the segment is routed to, one elsewhere is reached by the tunnel") {
  auto cluster = published({.directRouting = true});
  cluster.network.v6.reset();
  auto far = lease("node3", "10.0.1.30", "172.16.2.0/24");
  backend().publish(cluster.network, far);
  cluster.leases.push_back(far);
  const auto state = vxlan(cluster).state;
  const auto at = [&](const char* subnet) {
    return state.routes.lower_bound({*Prefix::parse(subnet), 0})->second;
  };
  CHECK(at("172.16.1.0/24").link == "eth0");
  CHECK(at("172.16.1.0/24").via == cluster.leases[1].publicIp);
  CHECK(at("172.16.2.0/24").link == "twill-vx1");
  CHECK(state.forwarding.size() == 1);
}

TEST_CASE("a peer whose data is of no use gets no route but a notice with what is wrong") {
  auto cluster = published();
  cluster.network.v6.reset();
  auto& data = cluster.leases[1].backendData;
  for (const auto& [bad, why] :
       {std::pair{"", "is missing"},
        {"[", "is not a JSON object"},
        {"{}", "lacks VNI or VtepMAC"},
        {R"({"VNI":-1,"VtepMAC":"0a:58:00:00:00:01"})", "lacks VNI or VtepMAC"},
        {R"({"VNI":4294967297,"VtepMAC":"0a:58:00:00:00:01"})", "its VNI is 4294967297"},
        {R"({"VNI":1,"VtepMAC":"x"})", "has a VtepMAC that is none"},
        {R"({"VNI":1,"VtepMAC":"01:00:5e:00:00:01"})", "has a VtepMAC that is none"},
        {R"({"VNI":7,"VtepMAC":"0a:58:00:00:00:01"})", "its VNI is 7, here it is 1"}}) {
    data = bad;
    const auto notice = onlyNotice(cluster);
    INFO(notice);
    CHECK(notice.find("no route to 172.16.1.0/24 of node2: its ") == 0);
    CHECK(notice.find(why) != std::string::npos);
    CHECK(vxlan(cluster).state.routes.empty());
  }
}

TEST_CASE("a MAC leads to one peer, the first that has it") {
  auto cluster = published();
  cluster.network.v6.reset();
  cluster.leases.push_back(lease("node3", "10.0.0.30", "172.16.2.0/24"));
  cluster.leases[2].backendData = cluster.leases[1].backendData;
  CHECK(
      onlyNotice(cluster).find("no route to 172.16.2.0/24 of node3: its VtepMAC fa:10:d9:90:88:0e is that of "
                               "node2, too; ") == 0);
  CHECK(vxlan(cluster).state.forwarding.begin()->second.node == *IpAddress::parse("10.0.0.20"));
  cluster.leases[2].backendData = cluster.leases[0].backendData;
  CHECK(onlyNotice(cluster).find("is that of node1, too") != std::string::npos);
}

TEST_CASE("a peer is reached by the backend that its lease names, whatever the network's is by now") {
  auto cluster = published();
  cluster.network.v6.reset();
  cluster.leases[1].backendType = "host-gw";
  CHECK(vxlan(cluster).state.routes.empty());
  CHECK(vxlan(cluster).notices.empty());
  CHECK(vxlan(cluster).state.setElements.size() == 2);  // it may still send through the tunnel
  Desired direct;
  (*findBackend("host-gw"))->desired(cluster, node1(), direct);
  CHECK(direct.state.routes.size() == 1);

  cluster.network.backend.type = "host-gw";
  cluster.leases[1].backendType = "vxlan";
  CHECK(vxlan(cluster).state.routes.size() == 2);
}

TEST_CASE("the device stays as it is while the cluster changes to another backend") {
  auto cluster = published();
  const auto before = vxlan(cluster).state.links;
  for (const char* next : {"udp", "host-gw"}) {
    cluster.network.backend.type = next;
    CHECK(vxlan(cluster).state.links == before);
  }
}

TEST_CASE("a node in several networks has senders and a routing table for each, and tells their VNIs apart") {
  auto self = node1();
  self.network = "blue";
  const auto out = vxlan(published({.vni = 7}), self);
  const auto& table = out.state.firewalls.at("inet twill_blue");
  CHECK(table.sets.contains("senders4_24"));
  CHECK_FALSE(out.state.firewalls.contains(kTable));
  CHECK(table.chains.at("tunnel").rules.front().find("udp dport 8472 @th,96,24 0x7 ") != std::string::npos);
  for (const auto& [key, rule] : out.state.rules) CHECK(rule.table == routingTableOf("blue"));
  for (const auto& [key, route] : out.state.routes)
    CHECK((key.table == 0 || key.table == routingTableOf("blue")));
}

TEST_CASE("IPv6 needs 1280 bytes inside, and IPv4 goes on without it") {
  auto self = node1();
  self.underlay.mtu = 1300;
  const auto out = vxlan(published(), self);
  CHECK(out.notices ==
        std::vector<std::string>{
            "no twill6vx1: the underlay's MTU of 1300 leaves 1230 bytes, and IPv6 needs 1280; raise "
            "the MTU of eth0"});
  CHECK(out.state.links.size() == 1);
  CHECK(out.state.routes.size() == 2);
}
