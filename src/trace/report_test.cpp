// SPDX-License-Identifier: Apache-2.0
#include "trace/report.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "trace/samples.hpp"

using namespace twill;
using namespace twill::trace;
using namespace twill::trace::samples;

namespace {

Trace follow(const Sample& sample, const char* from, const char* dst) {
  return walk(sample.network, {.from = *sample.network.placeNamed(from), .in = "", .dst = ip(dst), .src = {}})
      .value();
}

RoundTrip roundTrip(const Sample& sample) {
  return {.there = follow(sample, "node1/con1", "172.16.1.2"),
          .back = follow(sample, "node2/con1", "172.16.0.2")};
}

}  // namespace

TEST_CASE("the report tells the road hop by hop") {
  CHECK(toText(roundTrip(twoNodes()), plainPaint) ==
        R"(node1/con1 172.16.0.2 → node2/con1 172.16.1.2   1500 bytes

  1 node1/con1
    │ route    default via 172.16.0.1 dev eth0   default, made by boot
    │ next hop 172.16.0.1, to be resolved when a packet comes
    │ out      eth0, MTU 1500, TTL 64
    │ over     node1 tw1 of twill0
    │
  2 node1 in by twill0
    │ route    172.16.1.0/24 via 10.0.0.20 dev eth0   dynamic, made by twill
    │ next hop 10.0.0.20, to be resolved when a packet comes
    │ out      eth0, MTU 1500, TTL 63
    │ over     wire node1 of seg1 → wire node2 of seg1
    │
  3 node2 in by eth0
    │ route    172.16.1.0/24 dev twill0   connected, made by kernel
    │ next hop 172.16.1.2, to be resolved when a packet comes
    │ out      twill0, MTU 1500, TTL 62
    │ over     node2 tw1 of twill0
    │
  4 node2/con1 in by eth0
    │ route    local 172.16.1.2/32

delivered: 172.16.1.2 is an address of node2/con1, TTL 62
back: the same places the other way, TTL 62
not looked at: packet filters and NAT, VLANs, STP and isolation of bridge ports
)");
}

TEST_CASE("a way back that fails is shown whole") {
  auto sample = twoNodes();
  std::erase_if(sample.routingOf("node2").routes, [](const Route& route) { return route.via.has_value(); });
  const auto text = toText(roundTrip(sample), plainPaint);
  CHECK(text.find("The way back:") != std::string::npos);
  CHECK(text.find("dropped: node2 has no route to 172.16.0.2") != std::string::npos);
}

TEST_CASE("JSON has the same keys whatever happened") {
  auto sample = twoNodes();
  const auto whole = nlohmann::json::parse(toJson(roundTrip(sample)));
  CHECK(whole["outcome"] == "delivered");
  CHECK(whole["symmetric"] == true);
  CHECK(whole["hops"][1]["route"]["class"] == "dynamic");
  CHECK(whole["hops"][1]["route"]["protocol"] == "twill");
  CHECK(whole["hops"][1]["neighbour"]["state"] == "none");
  CHECK(whole["hops"][1]["passes"][0]["bridge"] == "seg1");

  std::erase_if(sample.routingOf("node1").routes, [](const Route& route) { return route.via.has_value(); });
  const auto dropped =
      nlohmann::json::parse(toJson({.there = follow(sample, "node1/con1", "172.16.1.2"), .back = {}}));
  CHECK(dropped["outcome"] == "dropped");
  CHECK(dropped["reason"] == "no_route");
  CHECK(dropped["back"].is_null());
  for (const auto& [key, value] : whole.items()) CHECK(dropped.contains(key));
  for (const auto& [key, value] : whole["hops"][0].items()) CHECK(dropped["hops"][1].contains(key));
}
