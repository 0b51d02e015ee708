// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "plan/samples.hpp"

using namespace twill;
using namespace twill::samples;

namespace {

std::string command(Verb verb, Object object) {
  return ipCommand({verb, std::move(object)});
}

}  // namespace

TEST_CASE("commands for settings use dots, unless the interface's name has one") {
  CHECK(command(Verb::add, setting("net/ipv4/ip_forward", "1")) == "sysctl -w net.ipv4.ip_forward=1");
  CHECK(command(Verb::change, setting("net/ipv4/conf/eth0.7/rp_filter", "2")) ==
        "sysctl -w net/ipv4/conf/eth0.7/rp_filter=2");
}

TEST_CASE("commands for routes") {
  auto r = route("172.16.1.0/24", "10.0.0.20", "eth0");
  CHECK(command(Verb::add, r) == "ip route add 172.16.1.0/24 via 10.0.0.20 dev eth0 proto 116");
  CHECK(command(Verb::remove, r) == "ip route del 172.16.1.0/24 via 10.0.0.20 dev eth0 proto 116");
  CHECK(command(Verb::change, route("fd42:1::/64", "fd00::20", "eth0", 9)) ==
        "ip -6 route replace fd42:1::/64 via fd00::20 dev eth0 metric 9 proto 116");
}

TEST_CASE("commands for addresses and neighbours") {
  CHECK(command(Verb::add, address("twill0", "172.16.0.1/24")) == "ip address add 172.16.0.1/24 dev twill0");
  CHECK(command(Verb::remove, address("twill0", "fd42::1/64")) == "ip address del fd42::1/64 dev twill0");
  CHECK(command(Verb::add, address("twill0", "fd42::1/64")) == "ip address add fd42::1/64 dev twill0 nodad");
  auto entry = neighbour("twill0", "fd42::2", "0a:58:ac:10:00:02");
  CHECK(command(Verb::change, entry) ==
        "ip neigh replace fd42::2 lladdr 0a:58:ac:10:00:02 dev twill0 nud permanent protocol 116");
  CHECK(command(Verb::remove, entry) == "ip neigh del fd42::2 dev twill0");
  entry.proxy = true;
  CHECK(command(Verb::add, entry) == "ip neigh replace proxy fd42::2 dev twill0 protocol 116");
  CHECK(command(Verb::remove, entry) == "ip neigh del proxy fd42::2 dev twill0");
}

TEST_CASE("commands for a bridge") {
  auto link = bridge("twill0");
  link.mtu = 1450;
  link.mac = *MacAddress::parse("0a:58:ac:10:00:01");
  CHECK(command(Verb::add, link) ==
        "ip link add twill0 type bridge\n"
        "ip link set dev twill0 alias twill:node mtu 1450 address 0a:58:ac:10:00:01 up");
  CHECK(command(Verb::change, link) ==
        "ip link set dev twill0 alias twill:node mtu 1450 address 0a:58:ac:10:00:01 up");
  CHECK(command(Verb::remove, link) == "ip link del twill0");
}

TEST_CASE("commands for a TUN device") {
  const Link link{.name = "twill-udp", .kind = LinkKind::tun, .alias = "twill:udp", .mtu = 1472};
  CHECK(command(Verb::add, link) ==
        "ip tuntap add dev twill-udp mode tun user root vnet_hdr\n"
        "ip link set dev twill-udp alias twill:udp mtu 1472 up");
  CHECK(command(Verb::change, link) == "ip link set dev twill-udp alias twill:udp mtu 1472 up");
  CHECK(command(Verb::remove, link) == "ip link del twill-udp");
}

TEST_CASE("commands for a VXLAN device") {
  Link link{.name = "twill-vx1",
            .kind = LinkKind::vxlan,
            .alias = "twill:vxlan",
            .vxlan = Vxlan{.underlay = "eth0", .local = *IpAddress::parse("10.0.0.10")},
            .checksumOffload = true};
  const std::string made =
      "ip link add twill-vx1 type vxlan id 1 dev eth0 local 10.0.0.10 dstport 8472 nolearning\n"
      "ip link set dev twill-vx1 alias twill:vxlan up";
  CHECK(command(Verb::add, link) == made);
  CHECK(command(Verb::change, link) ==
        "ip link set dev twill-vx1 alias twill:vxlan up\n"
        "ethtool -K twill-vx1 tx-checksum-ip-generic on");
  link.checksumOffload = false;
  CHECK(command(Verb::add, link) == made + "\nethtool -K twill-vx1 tx-checksum-ip-generic off");
}

TEST_CASE("commands for a veth whose other end is in a container") {
  auto link = port("tw1");
  link.mtu = 1500;
  link.hairpin = true;
  VethPeer peer;
  peer.netns = "/run/netns/con1";
  peer.name = "eth0";
  peer.mac = *MacAddress::parse("0a:58:ac:10:00:02");
  peer.addresses = {*InterfaceAddress::parse("172.16.0.2/24"), *InterfaceAddress::parse("fd42::2/64")};
  peer.routes = {{*Prefix::parse("0.0.0.0/0"), *IpAddress::parse("172.16.0.1")},
                 {*Prefix::parse("fd42::/56"), *IpAddress::parse("fd42::1")},
                 {*Prefix::parse("169.254.1.1/32"), std::nullopt},
                 {.dst = *Prefix::parse("10.0.0.0/8"),
                  .via = std::nullopt,
                  .mtu = 1400,
                  .advmss = 1360,
                  .priority = 7,
                  .table = 1000,
                  .scope = 253}};
  link.peer = peer;
  CHECK(command(Verb::add, link) ==
        "ip link add tw1 type veth peer name eth0 address 0a:58:ac:10:00:02 mtu 1500 netns /run/netns/con1\n"
        "ip link set dev tw1 alias twill:net/c1/eth0 mtu 1500 master twill0 up\n"
        "ip link set dev tw1 type bridge_slave hairpin on\n"
        "ip -n con1 address add 172.16.0.2/24 dev eth0\n"
        "ip -n con1 address add fd42::2/64 dev eth0 nodad\n"
        "ip -n con1 link set eth0 up\n"
        "ip -n con1 route add default via 172.16.0.1 dev eth0\n"
        "ip -n con1 -6 route add fd42::/56 via fd42::1 dev eth0\n"
        "ip -n con1 route add 169.254.1.1/32 dev eth0\n"
        "ip -n con1 route add 10.0.0.0/8 dev eth0 metric 7 table 1000 scope 253 mtu 1400 advmss 1360");
  link.peer->netns = "/proc/7/ns/net";
  link.peer->addresses.clear();
  link.peer->routes.clear();
  link.hairpin.reset();
  link.master = "";
  CHECK(command(Verb::add, link) ==
        "ip link add tw1 type veth peer name eth0 address 0a:58:ac:10:00:02 mtu 1500 netns /proc/7/ns/net\n"
        "ip link set dev tw1 alias twill:net/c1/eth0 mtu 1500 nomaster up\n"
        "nsenter --net=/proc/7/ns/net ip link set eth0 up");
  link.rate = Rate{.bitsPerSecond = 8'000'000, .burstBits = 800'000};
  link.peer->rate = Rate{.bitsPerSecond = 16'000'000, .burstBits = 1'600'000};
  CHECK(command(Verb::add, link) ==
        "ip link add tw1 type veth peer name eth0 address 0a:58:ac:10:00:02 mtu 1500 netns /proc/7/ns/net\n"
        "tc qdisc replace dev tw1 root tbf rate 1000000bps burst 100000 limit 125000\n"
        "ip link set dev tw1 alias twill:net/c1/eth0 mtu 1500 nomaster up\n"
        "nsenter --net=/proc/7/ns/net tc qdisc replace dev eth0 root tbf rate 2000000bps burst 200000 limit "
        "250000\n"
        "nsenter --net=/proc/7/ns/net ip link set eth0 up");
}

TEST_CASE("a name from outside cannot leave its quotes") {
  auto link = bridge("twill0");
  link.alias = "twill:it's; rm -rf /";
  CHECK(command(Verb::change, link) == "ip link set dev twill0 alias 'twill:it'\\''s; rm -rf /' up");
  CHECK(command(Verb::add, route("172.16.1.0/24", "", "a$(b)")) ==
        "ip route add 172.16.1.0/24 dev 'a$(b)' proto 116");
}

TEST_CASE("commands for the firewall replace the table in one step") {
  Firewall table;
  table.chains["postrouting"] = {"type nat hook postrouting priority srcnat", {"ip daddr @cluster4 return"}};
  table.sets["cluster4"] = {"ipv4_addr", "interval", {"172.16.0.0/16", "172.17.0.0/16"}};
  table.sets["empty6"] = {"ipv6_addr", "", {}};
  const std::string id = ruleId("ip daddr @cluster4 return");
  CHECK(command(Verb::add, table) ==
        "nft -f - <<'EOF'\n"
        "add table inet twill\n"
        "delete table inet twill\n"
        "table inet twill {\n"
        "  set cluster4 {\n"
        "    type ipv4_addr\n"
        "    flags interval\n"
        "    elements = { 172.16.0.0/16, 172.17.0.0/16 }\n"
        "  }\n"
        "  set empty6 {\n"
        "    type ipv6_addr\n"
        "  }\n"
        "  chain postrouting {\n"
        "    type nat hook postrouting priority srcnat;\n"
        "    ip daddr @cluster4 return comment \"" +
            id +
            "\"\n"
            "  }\n"
            "}\n"
            "EOF");
  CHECK(command(Verb::remove, table) == "nft delete table inet twill");
}

TEST_CASE("commands for maps, for sets without a type's name, and for their elements") {
  Firewall table;
  table.table = kBridgeTable;
  table.chains["own"] = {"", {"drop"}};
  table.sets["m"] = {.type = "inet_service : ipv4_addr", .apart = true};
  table.sets["s"] = {.type = "ifname . integer", .apart = true, .declared = "typeof iifname . @th,64,128"};
  CHECK(command(Verb::add, table) ==
        "nft -f - <<'EOF'\n"
        "add table bridge twill\n"
        "delete table bridge twill\n"
        "table bridge twill {\n"
        "  map m {\n"
        "    type inet_service : ipv4_addr\n"
        "    comment \"elements come and go one by one\"\n"
        "  }\n"
        "  set s {\n"
        "    typeof iifname . @th,64,128\n"
        "    comment \"elements come and go one by one\"\n"
        "  }\n"
        "  chain own {\n"
        "    drop comment \"" +
            ruleId("drop") +
            "\"\n"
            "  }\n"
            "}\n"
            "EOF");
  const SetElement element{.table = kBridgeTable, .set = "m", .key = "80", .data = "10.0.0.2"};
  CHECK(command(Verb::add, element) == "nft 'add element bridge twill m { 80 : 10.0.0.2 }'");
  CHECK(command(Verb::remove, element) == "nft 'delete element bridge twill m { 80 }'");
  CHECK(command(Verb::change, element) ==
        "nft 'delete element bridge twill m { 80 }; add element bridge twill m { 80 : 10.0.0.2 }'");
}
