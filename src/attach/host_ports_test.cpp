// SPDX-License-Identifier: Apache-2.0
#include "attach/host_ports.hpp"

#include <string_view>

#include <doctest/doctest.h>

using namespace twill;

namespace {

/// A container with 172.16.0.`number` and fd42::`number`.
Attachment container(int number, std::vector<PortMapping> ports) {
  Attachment out{.network = "net", .containerId = "c" + std::to_string(number), .ifname = "eth0"};
  const auto id = std::to_string(number);
  out.addresses = {*InterfaceAddress::parse("172.16.0." + id + "/24"),
                   *InterfaceAddress::parse("fd42::" + id + "/64")};
  out.ports = std::move(ports);
  return out;
}

PortMapping port(std::uint16_t hostPort, std::string_view at = "", std::uint16_t containerPort = 80) {
  PortMapping out{.hostPort = hostPort, .containerPort = containerPort};
  if (!at.empty()) out.hostIp = *IpAddress::parse(at);
  return out;
}

}  // namespace

TEST_CASE("a mapping is for both families, or for that of its host address") {
  CHECK(hostPortsOf(container(2, {port(8080)})).size() == 2);
  CHECK(hostPortsOf(container(2, {port(8080), port(8080)})).size() == 2);
  const auto all6 = hostPortsOf(container(2, {port(8080, "::")}));
  REQUIRE(all6.size() == 1);
  CHECK(all6[0].container.text() == "fd42::2");
  CHECK_FALSE(all6[0].at);
  const auto one4 = hostPortsOf(container(2, {port(8080, "10.0.0.10")}));
  REQUIRE(one4.size() == 1);
  CHECK(one4[0].at->text() == "10.0.0.10");
  auto v4 = container(2, {port(8080, "fd00::10")});
  v4.addresses.pop_back();
  CHECK(hostPortsOf(v4).empty());
}

TEST_CASE("a port that another has is refused with the other's name, until that one lets it go") {
  HostPorts ports;
  const auto first = container(2, {port(8080), port(9090, "10.0.0.10"), port(7070, "0.0.0.0")});
  REQUIRE(ports.check(first));
  ports.take(first);
  const auto taken = ports.check(container(3, {port(80), port(8080)}));
  REQUIRE_FALSE(taken);
  CHECK(taken.error().kind == Error::Kind::exists);
  CHECK(taken.error().text ==
        "host port 8080/tcp is taken by container net/c2/eth0: give this one another, or delete that one "
        "first");
  CHECK_FALSE(ports.check(container(3, {port(8080, "10.0.0.11")})));
  CHECK_FALSE(ports.check(container(3, {port(9090)})));
  CHECK_FALSE(ports.check(container(3, {port(7070)})));
  CHECK(ports.check(container(3, {port(9090, "10.0.0.11")})));
  CHECK(ports.check(container(3, {port(7070, "::")})));
  auto udp = port(8080);
  udp.protocol = PortProtocol::udp;
  CHECK(ports.check(container(3, {udp})));
  ports.release(first);
  CHECK(ports.check(container(3, {port(8080)})));
}

TEST_CASE("mappings of one container must not contradict each other") {
  HostPorts ports;
  const auto twice = ports.check(container(2, {port(8080), port(8080, "", 81)}));
  REQUIRE_FALSE(twice);
  CHECK(twice.error().kind == Error::Kind::invalid);
  CHECK(twice.error().text == "host port 8080/tcp cannot lead to port 80 and to port 81");
  CHECK(ports.check(container(2, {port(8080), port(8080)})));
  // The one for a single address goes first.
  CHECK(ports.check(container(2, {port(8080), port(8080, "10.0.0.10", 81)})));
}
