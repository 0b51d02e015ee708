// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "backend/samples.hpp"

using namespace twill;
using namespace twill::samples;

namespace {

Cluster cluster(bool directRouting = false) {
  auto out = twoNodes();
  out.network.backend.type = "udp";
  out.network.backend.directRouting = directRouting;
  return out;
}

Desired udp(const Cluster& cluster, const Self& self = node1()) {
  Desired out;
  (*findBackend("udp"))->desired(cluster, self, out);
  return out;
}

int mtu(const Cluster& cluster) {
  return (*findBackend("udp"))->mtu(cluster.network, node1().underlay).value();
}

std::string commands(Desired out) {
  out.state.firewalls.clear();
  return text({.state = std::move(out.state)});
}

}  // namespace

TEST_CASE("one device for all, and a route over it to each peer") {
  CHECK(commands(udp(cluster())) ==
        "ip tuntap add dev twill-udp mode tun user root vnet_hdr\n"
        "ip link set dev twill-udp alias twill:udp mtu 1472 up\n"
        "sysctl -w net.ipv6.conf.twill-udp.accept_ra=0\n"
        "ip address add 172.16.0.0/32 dev twill-udp\n"
        "ip address add fd42::/128 dev twill-udp nodad\n"
        "ip route add 10.0.0.20/32 dev twill-udp table 116 metric 2001 proto 116\n"
        "ip route add 172.16.1.0/24 dev twill-udp metric 2001 proto 116\n"
        "ip -6 route add fd00::20/128 dev twill-udp table 116 metric 2001 proto 116\n"
        "ip -6 route add fd42:0:0:1::/64 dev twill-udp metric 2001 proto 116\n"
        "ip rule add from 172.16.0.0/24 lookup 116 priority 11600 protocol 116\n"
        "ip -6 rule add from fd42::/64 lookup 116 priority 11600 protocol 116\n");
}

TEST_CASE("who takes partial checksums says so, and only who says so gets them") {
  auto two = cluster();
  Lease& peer = two.leases.back();
  CHECK_FALSE(udp(two).tunnel->peers[0].partialChecksums);
  for (const char* odd : {"{", "[]", R"({"PartialChecksums":1})", R"({"PartialChecksums":false})"}) {
    peer.backendData = odd;
    CHECK_FALSE(udp(two).tunnel->peers[0].partialChecksums);
  }
  (*findBackend("udp"))->publish(two.network, peer);
  CHECK(peer.backendData == R"({"PartialChecksums":true})");
  CHECK(udp(two).tunnel->peers[0].partialChecksums);
}

TEST_CASE("the tunnel is told who is where, and what is this node's") {
  const auto out = udp(cluster());
  REQUIRE(out.tunnel);
  CHECK(out.tunnel->device == "twill-udp");
  CHECK(out.tunnel->port == 8285);
  CHECK(out.tunnel->local4->text() == "10.0.0.10");
  std::string own;
  for (const auto& prefix : out.tunnel->own) own += prefix.text() + " ";
  CHECK(own == "172.16.0.0/24 10.0.0.10/32 fd42::/64 fd00::10/128 ");
  REQUIRE(out.tunnel->peers.size() == 1);
  const auto& peer = out.tunnel->peers[0];
  CHECK(peer.name == "node2");
  CHECK(peer.endpoint.text() == "10.0.0.20");
  std::string prefixes;
  for (const auto& prefix : peer.prefixes) prefixes += prefix.text() + " ";
  CHECK(prefixes == "172.16.1.0/24 10.0.0.20/32 fd42:0:0:1::/64 fd00::20/128 ");
}

TEST_CASE("the MTU leaves room for IP and UDP, of the family that carries") {
  auto dual = cluster();
  CHECK(mtu(dual) == 1472);
  CHECK(mtu(cluster(true)) == 1500);
  dual.network.v4.reset();
  CHECK(mtu(dual) == 1452);
  dual.network.backend.mtu = 1300;
  const auto refused = (*findBackend("udp"))->mtu(dual.network, node1().underlay);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text ==
        "network config: Backend.MTU is 1300, of which the tunnel takes 48; leave it out, or make it 1328 or "
        "more");
}

TEST_CASE("where the underlay is too small for IPv6 there is IPv4") {
  auto self = node1();
  self.underlay.mtu = 1300;
  const auto out = udp(cluster(), self);
  REQUIRE(out.notices.size() == 1);
  CHECK(out.notices[0] ==
        "no IPv6 over twill-udp: the underlay's MTU of 1300 leaves 1272 bytes, and IPv6 needs "
        "1280; raise the MTU of eth0");
  CHECK(commands(out).find("-6") == std::string::npos);
  CHECK(commands(out).find("172.16.1.0/24") != std::string::npos);
}

TEST_CASE("IPv6 containers reach one another over an underlay of IPv4 alone") {
  auto self = node1();
  self.underlay.v6.reset();
  auto leases = cluster();
  for (auto& lease : leases.leases) lease.publicIp6.reset();
  const auto out = udp(leases, self);
  CHECK(out.notices.empty());
  CHECK(out.tunnel->peers[0].prefixes.size() == 3);
  CHECK(commands(out).find("ip -6 route add fd42:0:0:1::/64 dev twill-udp") != std::string::npos);
}

TEST_CASE("with DirectRouting who is near is routed to, and who is reached otherwise may still send") {
  const auto near = udp(cluster(true));
  CHECK(commands(near).find("ip route add 172.16.1.0/24 via 10.0.0.20 dev eth0") != std::string::npos);
  CHECK(near.tunnel->peers.size() == 1);

  auto changing = cluster();
  for (auto& lease : changing.leases) lease.backendType = "host-gw";
  const auto out = udp(changing);
  CHECK(commands(out).find("172.16.1.0/24") == std::string::npos);
  CHECK(out.tunnel->peers.size() == 1);
}

TEST_CASE("who has this node's address on the underlay is no peer of the tunnel") {
  auto self = node1();
  self.lease.publicIp = *IpAddress::parse("192.0.2.1");
  auto leases = cluster();
  leases.leases[1].publicIp = self.underlay.v4->address;
  CHECK(udp(leases, self).tunnel->peers.empty());
}

TEST_CASE("containers do not get to the tunnel's port") {
  const auto out = udp(cluster());
  const auto& table = out.state.firewalls.at(kTable);
  CHECK(table.chains.size() == 1);
  CHECK(table.chains.at("tunnel_forward").rules.size() == 2);
}
