// SPDX-License-Identifier: Apache-2.0
// The fast path's programs in a node's namespace, with containers and a peer as namespaces beside it. What
// they carry is looked at from outside, by test/system/fast_path_test.py; here it is what becomes of them.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <net/if.h>

#include "kernel/fast_path_programs.hpp"
#include "kernel/programs.hpp"
#include "sandbox.hpp"
#include "skip.hpp"

namespace twill::test {
namespace {

struct Node {
  std::unique_ptr<Sandbox> sandbox = Sandbox::make();
  FastPathPrograms programs;

  /// False: it cannot be made, and the reason has been given.
  bool make() {
    if (!sandbox) return false;
    sh("ip link add up0 type veth peer name far0 && ip link add tw1 type veth peer name con1 && ip link set "
       "up0 up");
    if (const auto done = programs.follow(path()); !done) {
      skip(done.error().text);
      return false;
    }
    return true;
  }
  static FastPath path() {
    return {.containers = {{.link = index("tw1"),
                            .mac = *MacAddress::parse("0a:00:00:00:00:02"),
                            .gateway = *MacAddress::parse("0a:00:00:00:00:01"),
                            .addresses = {*IpAddress::parse("172.16.0.2")}}},
            .peers = {{*Prefix::parse("172.16.1.0/24"), {.link = index("up0")}}}};
  }
  static int index(const char* link) { return static_cast<int>(::if_nametoindex(link)); }
  static bool isAt(const char* link) {
    return sh(fmt::format("tc filter show dev {} ingress", link)).find("twill_fast_") != std::string::npos;
  }
};

}  // namespace

TEST_CASE("programs are where they are wanted, and nowhere else") {
  Node node;
  if (!node.make()) return;
  CHECK(Node::isAt("up0"));
  CHECK(Node::isAt("tw1"));
  CHECK_FALSE(Node::isAt("far0"));
  FastPath path = Node::path();
  path.containers.clear();
  REQUIRE(node.programs.follow(path));
  CHECK_FALSE(Node::isAt("tw1"));
  path.peers.front().way.link = Node::index("far0");
  REQUIRE(node.programs.follow(path));
  CHECK(Node::isAt("far0"));
  CHECK_FALSE(Node::isAt("up0"));
}

TEST_CASE("what was taken away comes back once the kernel has told of it") {
  Node node;
  if (!node.make()) return;
  sh("tc filter del dev tw1 ingress && tc qdisc del dev up0 clsact");
  CHECK_FALSE(node.programs.doubt(Node::index("far0")));
  CHECK(node.programs.doubt(Node::index("tw1")));
  REQUIRE(node.programs.follow(Node::path()));
  CHECK(Node::isAt("tw1"));
  CHECK_FALSE(Node::isAt("up0"));  // nobody has said anything about that one
  node.programs.doubt(0);
  REQUIRE(node.programs.follow(Node::path()));
  CHECK(Node::isAt("up0"));
}

TEST_CASE("they stay when their process goes, and the next one takes over or takes them away") {
  Node node;
  if (!node.make()) return;
  {
    FastPathPrograms next;
    FastPath path = Node::path();
    path.containers.clear();
    REQUIRE(next.follow(path));
    CHECK(Node::isAt("up0"));
    CHECK_FALSE(Node::isAt("tw1"));
  }
  CHECK(Node::isAt("up0"));
  FastPathPrograms last;
  CHECK_FALSE(last.numbers());
  REQUIRE(last.remove());
  CHECK_FALSE(Node::isAt("up0"));
}

TEST_CASE("a link that is gone is told, and the others have their programs") {
  Node node;
  if (!node.make()) return;
  FastPath path = Node::path();
  path.containers.push_back(path.containers.front());
  path.containers.front().link = 9999;
  path.containers.back().addresses = {*IpAddress::parse("172.16.0.3")};
  const auto done = node.programs.follow(path);
  REQUIRE_FALSE(done);
  CHECK(done.error().text.find("9999") != std::string::npos);
  CHECK(Node::isAt("tw1"));
}

TEST_CASE("other programs at the same place are left alone") {
  Node node;
  if (!node.make()) return;
  sh("tc filter add dev up0 ingress pref 200 bpf bytecode '1,6 0 0 0'");
  FastPathPrograms last;
  REQUIRE(last.remove());
  CHECK_FALSE(Node::isAt("up0"));
  CHECK(sh("tc filter show dev up0 ingress").find("pref 200") != std::string::npos);
}

}  // namespace twill::test
