// SPDX-License-Identifier: Apache-2.0
#include "agent/make_before_break.hpp"

#include <doctest/doctest.h>

using namespace twill;

TEST_CASE("until a tunnel carries packets they go on by what was there before") {
  const auto subnet = *Prefix::parse("172.16.1.0/24");
  const Route into{.dst = subnet, .link = "twill-udp"};
  const Route past{.dst = subnet, .link = "eth0", .via = *IpAddress::parse("10.0.0.20")};
  const Neighbour vtep{.link = "twill-vx1", .address = *IpAddress::parse("172.16.1.0"), .mac = {}};
  std::vector<Operation> operations{{Verb::add, Link{.name = "twill-udp", .kind = LinkKind::tun}},
                                    {Verb::add, Address{.link = "twill-udp"}},
                                    {Verb::change, into},
                                    {Verb::remove, vtep},
                                    {Verb::remove, Link{.name = "twill-vx1", .kind = LinkKind::vxlan}},
                                    {Verb::add, past},
                                    {Verb::remove, SetElement{}},
                                    {Verb::remove, Link{.name = "tw1", .kind = LinkKind::veth}}};
  holdUntilCarried(
      "twill-udp", [](const Operation&) { return true; }, operations);
  REQUIRE(operations.size() == 5);
  CHECK(std::holds_alternative<Link>(operations[0].object));
  CHECK(std::holds_alternative<Address>(operations[1].object));
  CHECK(std::holds_alternative<Route>(operations[2].object));
  CHECK(std::holds_alternative<SetElement>(operations[3].object));
  CHECK(std::get<Link>(operations[4].object).name == "tw1");
}
