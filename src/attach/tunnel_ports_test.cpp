// SPDX-License-Identifier: Apache-2.0
#include "attach/tunnel_ports.hpp"

#include <doctest/doctest.h>

using namespace twill;

TEST_CASE("what comes out of a tunnel goes to containers at bridges by the links that are there and up") {
  const auto mac = *MacAddress::parse("0a:58:ac:10:00:02");
  Attachment attachment{.hostIfname = "tw1", .mac = mac};
  attachment.mode = AttachMode::bridge;
  attachment.bridge = "twill0";
  KernelState actual;
  actual.put(Link{.name = "twill0", .kind = LinkKind::bridge, .index = 3});
  actual.put(Link{.name = "tw1", .kind = LinkKind::veth, .master = "twill0", .index = 4});
  actual.put(Link{.name = "twill-udp", .kind = LinkKind::tun, .index = 5});
  actual.put(Link{.name = "twill-ipip", .kind = LinkKind::tun, .index = 6});
  const std::set<std::string> tunnels{"twill-ipip", "twill-udp"};
  const std::vector<const Attachment*> list{&attachment};
  CHECK(tunnelPortsOf(tunnels, list, actual) ==
        std::vector<ContainerPort>{{.tunnel = 6, .bridge = 3, .mac = mac, .link = 4},
                                   {.tunnel = 5, .bridge = 3, .mac = mac, .link = 4}});
  CHECK(tunnelPortsOf({"twill-udp", "gone"}, list, actual).size() == 1);
  CHECK(tunnelPortsOf({}, list, actual).empty());

  const auto none = [&](const auto& change) {
    Attachment other = attachment;
    KernelState then = actual;
    change(other, then);
    const std::vector<const Attachment*> changed{&other};
    return tunnelPortsOf(tunnels, changed, then).empty();
  };
  CHECK(none([](Attachment& one, KernelState&) { one.mode = AttachMode::routed; }));
  CHECK(none([](Attachment&, KernelState& now) { now.links.at("tw1").up = false; }));
  CHECK(none([](Attachment&, KernelState& now) { now.links.at("tw1").master = ""; }));
  CHECK(none([](Attachment&, KernelState& now) { now.links.erase("tw1"); }));
  CHECK(none([](Attachment&, KernelState& now) { now.links.erase("twill0"); }));
}
