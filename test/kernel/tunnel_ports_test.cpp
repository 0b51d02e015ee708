// SPDX-License-Identifier: Apache-2.0
// The program at a bridge's exit, between a tunnel and a container at the bridge, each a namespace. A rule of
// the bridge's firewall drops what the node sends by the bridge, so that what arrives has gone another way.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <net/if.h>

#include "kernel/tunnel_port_programs.hpp"
#include "sandbox.hpp"
#include "skip.hpp"

namespace twill::test {
namespace {

struct Node {
  std::unique_ptr<Sandbox> sandbox = Sandbox::make();
  TunnelPortPrograms programs;

  /// False: it cannot be made, and the reason has been given.
  bool make() {
    if (!sandbox) return false;
    sh("sysctl -qw net.ipv4.ip_forward=1 && for n in far near con; do ip netns add $n; done"
       " && for n in far near; do ip link add $n type veth peer name eth0 netns $n; done"
       " && ip link add br0 type bridge && ip link set br0 up && ip address add 172.16.0.1/24 dev br0"
       " && ip link add tw1 type veth peer name eth0 address 0a:00:00:00:00:02 netns con"
       " && ip link set tw1 master br0 up && ip -n con link set eth0 up"
       " && ip -n con address add 172.16.0.2/24 dev eth0 && ip -n con route add default via 172.16.0.1"
       " && ip address add 10.0.1.1/24 dev far && ip address add 10.0.2.1/24 dev near"
       " && ip link set far up && ip link set near up && ip -n far link set eth0 up && ip -n near link set "
       "eth0 up"
       " && ip -n far address add 10.0.1.2/24 dev eth0 && ip -n far route add default via 10.0.1.1"
       " && ip -n near address add 10.0.2.2/24 dev eth0 && ip -n near route add default via 10.0.2.1"
       " && nft 'table bridge t { chain c { type filter hook output priority 0; ether type ip drop; }; }'");
    if (const auto done = programs.follow(ports()); !done) {
      skip(done.error().text);
      return false;
    }
    return true;
  }
  static int index(const char* link) { return static_cast<int>(::if_nametoindex(link)); }
  static std::vector<ContainerPort> ports() {
    return {{.tunnel = index("far"),
             .bridge = index("br0"),
             .mac = *MacAddress::parse("0a:00:00:00:00:02"),
             .link = index("tw1")}};
  }
  static bool reaches(const char* from) {
    return sh(fmt::format("ip netns exec {} ping -c2 -i0.2 -W1 172.16.0.2 || true", from))
               .find(" 0% packet loss") != std::string::npos;
  }
  static bool isAt(const char* bridge) {
    return sh(fmt::format("tc filter show dev {} egress", bridge)).find("twill_port") != std::string::npos;
  }
};

}  // namespace

TEST_CASE("what came out of the tunnel gets to a container past the bridge, all else by it") {
  Node node;
  if (!node.make()) return;
  CHECK(Node::reaches("far"));
  CHECK_FALSE(Node::reaches("near"));
  auto ports = Node::ports();
  ports[0].mac = *MacAddress::parse("0a:00:00:00:00:03");  // another's
  REQUIRE(node.programs.follow(ports));
  CHECK_FALSE(Node::reaches("far"));
}

TEST_CASE("the program is at bridges that have ports, and at no others") {
  Node node;
  if (!node.make()) return;
  sh("ip link add br1 type bridge");
  CHECK(Node::isAt("br0"));
  auto ports = Node::ports();
  ports[0].bridge = Node::index("br1");
  REQUIRE(node.programs.follow(ports));
  CHECK(Node::isAt("br1"));
  CHECK_FALSE(Node::isAt("br0"));
  REQUIRE(node.programs.follow({}));
  CHECK_FALSE(Node::isAt("br1"));
}

TEST_CASE("a program that was taken from a bridge comes back once the kernel has told of it") {
  Node node;
  if (!node.make()) return;
  sh("tc qdisc del dev br0 clsact");
  CHECK_FALSE(node.programs.doubt(Node::index("far")));
  CHECK(node.programs.doubt(Node::index("br0")));
  REQUIRE(node.programs.follow(Node::ports()));
  CHECK(Node::reaches("far"));
}

TEST_CASE("a bridge's program stays when its process goes, and the next one takes over or takes it away") {
  Node node;
  if (!node.make()) return;
  {
    TunnelPortPrograms next;
    REQUIRE(next.follow(Node::ports()));
  }
  CHECK(Node::reaches("far"));
  TunnelPortPrograms last;
  REQUIRE(last.follow({}));
  CHECK_FALSE(Node::isAt("br0"));
}

}  // namespace twill::test
