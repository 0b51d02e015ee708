// SPDX-License-Identifier: Apache-2.0
#include "model/attachment.hpp"

#include <set>

#include <doctest/doctest.h>
#include <net/if.h>

using namespace twill;

namespace {

Attachment sample() {
  return {.network = "twill",
          .containerId = "3f1c",
          .ifname = "eth0",
          .netns = "/run/netns/\"c1\"",
          .netnsId = "6ee7b2f5:4:4026532201",
          .mode = AttachMode::routed,
          .hostIfname = hostInterfaceName("twill/3f1c/eth0"),
          .mac = *MacAddress::parse("0a:58:ac:10:00:01"),
          .hostMac = *MacAddress::parse("0a:58:ac:10:00:02"),
          .mtu = 1450,
          .hairpin = true,
          .spoofGuard = false,
          .ports = {{PortProtocol::sctp, *IpAddress::parse("10.0.0.10"), 8080, 80},
                    {PortProtocol::udp, std::nullopt, 53, 5353}},
          .ingress = Rate{10'000'000, 80'000},
          .egress = Rate{5'000'000, 40'000},
          .addresses = {*InterfaceAddress::parse("172.16.0.5/24"), *InterfaceAddress::parse("fd42::5/64")},
          .gateways = {*IpAddress::parse("172.16.0.1"), *IpAddress::parse("fe80::1")},
          .routes = {{*Prefix::parse("0.0.0.0/0"), *IpAddress::parse("172.16.0.1")},
                     {*Prefix::parse("169.254.1.1/32"), std::nullopt},
                     {.dst = *Prefix::parse("10.0.0.0/8"),
                      .via = std::nullopt,
                      .mtu = 1400,
                      .advmss = 1360,
                      .priority = 4294967295,
                      .table = 1000,
                      .scope = 0}},
          .masqueraded = {*IpAddress::parse("172.16.0.5")},
          .nodeIsGateway = false};
}

/// The sample's JSON with one piece of text replaced.
std::string broken(std::string_view from, std::string_view to) {
  std::string text = toJson(sample());
  REQUIRE(text.find(from) != std::string::npos);
  return text.replace(text.find(from), from.size(), to);
}

}  // namespace

TEST_CASE("an attachment survives its own JSON") {
  auto read = parseAttachment(toJson(sample()));
  REQUIRE(read);
  CHECK(*read == sample());
  Attachment plain{.network = "n", .containerId = "c", .ifname = "eth0"};
  CHECK(*parseAttachment(toJson(plain)) == plain);
}

TEST_CASE("a spoilt attachment names the key and what is wrong") {
  auto errorOf = [](const std::string& text) {
    auto read = parseAttachment(text);
    return read ? std::string("accepted") : read.error().text;
  };
  CHECK(errorOf(broken("\"mtu\":1450", "\"mtu\":0")) == "mtu is 0; expected a whole number from 68 to 65535");
  CHECK(errorOf(broken("\"routed\"", "\"macvlan\"")).find("mode is \"macvlan\"") == 0);
  CHECK(errorOf(broken("\"mac\"", "\"max\"")) == "mac is missing");
  CHECK(errorOf(broken("172.16.0.5/24", "172.16.0.5")).find("addresses is \"172.16.0.5\"") == 0);
  CHECK(errorOf(broken("0.0.0.0/0", "0.0.0.1/0")).find("dst is \"0.0.0.1/0\"") == 0);
  CHECK(errorOf(broken("{\"dst\"", "7,{\"dst\"")).find("routes is 7") == 0);
  CHECK(errorOf(broken("\"priority\":", "\"priority\":-")).find("priority is -4294967295") == 0);
  CHECK(errorOf(broken("\"scope\":0", "\"scope\":256")).find("scope is 256") == 0);
  CHECK(errorOf(broken("\"sctp\"", "\"dccp\"")) == "protocol is \"dccp\"; expected tcp, udp or sctp");
  CHECK(errorOf(broken("8080", "0")) == "hostPort is 0; expected a whole number from 1 to 65535");
  CHECK(errorOf(broken(":80000", ":-1")).find("burstBits is -1") == 0);
  CHECK(errorOf("{").find("not valid JSON") == 0);
}

TEST_CASE("the host side's name fits an interface and is repeatable") {
  CHECK(hostInterfaceName("twill/3f1c/eth0") == "twp4mam6vivzv");
  std::set<std::string> names;
  for (int i = 0; i < 10000; ++i) names.insert(hostInterfaceName("twill/" + std::to_string(i) + "/eth0"));
  CHECK(names.size() == 10000);
  for (const auto& name : names) REQUIRE(name.size() < IFNAMSIZ);
}
