// SPDX-License-Identifier: Apache-2.0
#include "lab/connectivity.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace twill;
using namespace twill::lab;

namespace {

const IpAddress kSender = *IpAddress::parse("172.16.0.2");

/// A packet that came through as it should, from kSender.
Observation good() {
  return {.from = 0,
          .to = 1,
          .address = *IpAddress::parse("172.16.1.2"),
          .protocol = Protocol::tcp,
          .reached = true,
          .answered = true,
          .ttl = 62,
          .seenAs = kSender,
          .rtt = std::chrono::microseconds(70),
          .error = ""};
}

Row judged(const Observation& seen) {
  return judge(seen, "node1/con1", "node2/con1", {.ttl = 62, .own = {kSender}});
}

}  // namespace

TEST_CASE("a row is fine when the packet arrived, from its sender, at the right distance") {
  CHECK(judged(good()).ok);

  auto seen = good();
  seen.ttl = 61;
  CHECK(judged(seen).fault == "TTL 61 instead of 62");

  seen = good();
  seen.seenAs = *IpAddress::parse("10.0.0.10");
  CHECK(judged(seen).fault.find("10.0.0.10") != std::string::npos);
  CHECK(judged(seen).fault.ends_with("NAT"));

  seen = good();
  seen.answered = false;
  CHECK_FALSE(judged(seen).ok);
  CHECK_FALSE(judged(seen).rtt);

  seen = {.to = 1, .error = "No route to host"};
  CHECK(judged(seen).fault == "No route to host");
  seen.error.clear();
  CHECK(judged(seen).fault == "no answer");
}

TEST_CASE("rows for machines have all keys, null where there is nothing") {
  Observation lost;
  lost.address = *IpAddress::parse("172.16.1.2");
  const auto json = nlohmann::json::parse(toJson({judged(good()), judged(lost)}));
  REQUIRE(json.size() == 2);
  CHECK(json[0] == nlohmann::json::parse(R"({"from":"node1/con1","to":"node2/con1","address":"172.16.1.2",
    "protocol":"tcp","ok":true,"ttl":62,"seen_as":"172.16.0.2","rtt_us":70,"fault":null})"));
  CHECK(json[1]["ok"] == false);
  for (const char* key : {"ttl", "seen_as", "rtt_us"}) CHECK(json[1][key].is_null());
  CHECK(json[1]["fault"] == "no answer");
}

TEST_CASE("the matrix shows the TTL where all is well, and every fault in a line") {
  std::vector<Row> rows{judged(good())};
  CHECK(matrix(rows, 80, plainPaint) ==
        "       con1 con1 \n"
        "  con1 -    62   \n"
        "  con1      -    \n"
        "\n"
        "all 1 checks passed: reachable, TTL as expected, no NAT\n");
  Observation lost = good();
  lost.reached = false;
  lost.protocol = Protocol::icmp;
  rows.push_back(judged(lost));
  const std::string text = matrix(rows, 80, plainPaint);
  CHECK(text.find("part") != std::string::npos);
  CHECK(text.find("FAIL node1/con1 → node2/con1 (icmp 172.16.1.2): no answer\n") != std::string::npos);
  CHECK(text.ends_with("1 of 2 checks failed\n"));
  CHECK(matrix(rows, 10, plainPaint).starts_with("FAIL"));  // no room for a table
}

TEST_CASE("a broken cluster is not one line a packet") {
  std::vector<Row> rows(100, judged({.to = 1}));
  const std::string text = matrix(rows, 80, plainPaint);
  CHECK(text.find("... and 80 more") != std::string::npos);
}
