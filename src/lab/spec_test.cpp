// SPDX-License-Identifier: Apache-2.0
#include "lab/spec.hpp"

#include <cmath>

#include <doctest/doctest.h>

using namespace twill;
using namespace twill::lab;

TEST_CASE("a spec survives its file") {
  const Spec spec{.name = "x1",
                  .nodes = 5,
                  .containers = 0,
                  .segments = 2,
                  .ipv6 = true,
                  .attach = AttachMode::routed,
                  .mtu = {1500, 1400},
                  .loss = 0.1,
                  .delay = 2.5};
  auto again = parseSpec(toJson(spec));
  REQUIRE(again);
  CHECK(*again == spec);
  for (const char* text : {"", "{}", "[]", "7", "{\"name\":7}", "{\"name\":\"x\",\"nodes\":\"3\"}"}) {
    CHECK_FALSE(parseSpec(text));
  }
}

TEST_CASE("what does not fit is refused by the option's name") {
  auto refusal = [](const Spec& spec) {
    auto checked = check(spec);
    return checked ? std::string() : checked.error().text;
  };
  CHECK(refusal({}).empty());
  CHECK(refusal({.nodes = 0}).starts_with("--nodes 0"));
  CHECK(refusal({.nodes = 201}).starts_with("--nodes 201"));
  CHECK(refusal({.containers = -1}).starts_with("--containers -1"));
  CHECK(refusal({.nodes = 2, .segments = 3}).starts_with("--segments 3"));
  CHECK(refusal({.segments = 0}).starts_with("--segments 0"));
  CHECK(refusal({.segments = 2}).starts_with("--datastore gossip"));
  CHECK(check({.segments = 2, .datastore = "bgp"}));
  CHECK(check({.segments = 2, .backend = "ipip", .datastore = "bgp", .router = "gobgp"}));
  CHECK(refusal({.segments = 2, .datastore = "bgp", .router = "gobgp"})
            .starts_with("--router gobgp: it does not"));
  CHECK(refusal({.datastore = "bgp", .router = "frr"}).starts_with("--router frr: there is one"));
  CHECK(refusal({.segments = 2, .backend = "vxlan", .router = "frr"})
            .starts_with("--router frr: there is one"));
  CHECK(refusal({.segments = 2, .backend = "vxlan", .mtu = {9000, 576}}).empty());
  CHECK(refusal({.segments = 2, .backend = "aws-vpc"}).empty());
  CHECK(refusal({.backend = "gce", .datastore = "bgp"}).starts_with("--datastore bgp: with gce"));
  CHECK(refusal({.backend = "gce", .directRouting = true}).starts_with("--direct-routing: gce"));
  CHECK(refusal({.mtu = {575}}).starts_with("--mtu 575"));
  CHECK(refusal({.segments = 2, .backend = "vxlan", .mtu = {1500, 9001}}).starts_with("--mtu 1500,9001"));
  CHECK(refusal({.segments = 3, .backend = "vxlan", .mtu = {1500, 1400}}).starts_with("--mtu 1500,1400"));
  CHECK(refusal({.mtu = {}}).starts_with("--mtu"));
  CHECK(refusal({.ipv6 = true, .mtu = {1280}}).empty());
  CHECK(refusal({.ipv6 = true, .mtu = {1279}}).find("1280") != std::string::npos);
  CHECK(refusal({.loss = 100, .delay = 1000}).empty());
  for (const double wrong : {-0.1, 1000.1, std::nan("")}) {
    CHECK(refusal({.loss = wrong}).starts_with("--loss"));
    CHECK(refusal({.delay = wrong}).starts_with("--delay"));
  }
  for (const char* name : {"", "../x", "a b", "A", "a-name-of-more-than-twenty"}) {
    CHECK(refusal({.name = name}).starts_with("--name"));
  }
}

TEST_CASE("options say what differs from the usual") {
  CHECK(asOptions({}).empty());
  CHECK(asOptions({.fastPath = true}) == "--fast-path");
  CHECK(asOptions({.backend = "udp", .engine = "kernel", .directRouting = true}) ==
        "--backend udp --engine kernel --direct-routing");
  CHECK_FALSE(check({.backend = "vxlan", .engine = "kernel"}));
  CHECK(check({.backend = "ipip", .engine = "ebpf"}));
  CHECK_FALSE(check({.backend = "ipip", .engine = "kernel"}));
  CHECK_FALSE(check({.directRouting = true}));
  CHECK(check({.backend = "vxlan", .directRouting = true}));
  CHECK(asOptions({.name = "x", .nodes = 5, .ipv6 = true, .attach = AttachMode::routed}) ==
        "--name x --nodes 5 --ipv6 --attach routed");
  CHECK(asOptions({.segments = 2, .mtu = {1500, 1400}, .loss = 0.1, .delay = 20}) ==
        "--segments 2 --mtu 1500,1400 --loss 0.1 --delay 20");
}

TEST_CASE("what cables do is told in words") {
  CHECK(cableWords({.delay = 20}) == "20 ms each way");
  CHECK(cableWords({.loss = 0.5}) == "0.5 % loss each way");
  CHECK(cableWords({.loss = 30, .delay = 1.5}) == "1.5 ms and 30 % loss each way");
}

TEST_CASE("places") {
  CHECK(parsePlace("node1")->text() == "node1");
  CHECK(parsePlace("node1/con2")->container == "con2");
  for (const char* text : {"", "/", "node1/", "/con1", "a/b/c"}) CHECK_FALSE(parsePlace(text));
}
