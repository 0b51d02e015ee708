// SPDX-License-Identifier: Apache-2.0
#include <limits>
#include <string>

#include <doctest/doctest.h>

#include "cni/call.hpp"

using namespace twill;

namespace {

/// An ADD with these keys in its network config.
cni::CniResult<cni::Call> addWith(const std::string& keys) {
  const cni::Environment environment = {{"CNI_COMMAND", "ADD"},
                                        {"CNI_CONTAINERID", "c1"},
                                        {"CNI_NETNS", "/run/netns/c1"},
                                        {"CNI_IFNAME", "eth0"},
                                        {"CNI_PATH", "/opt/cni/bin"}};
  return cni::parseCall(environment,
                        R"({"cniVersion": "1.0.0", "name": "net", "type": "twill-cni")" + keys + "}");
}

std::string refusal(const std::string& keys) {
  const auto call = addWith(keys);
  return call ? "" : call.error().msg;
}

}  // namespace

TEST_CASE("rates come from the runtime, in any case, or from the config itself") {
  const Rate in{.bitsPerSecond = 8'000'000, .burstBits = 4'294'967'295};
  const Rate out{.bitsPerSecond = 1'000, .burstBits = 34'359'738'359};
  for (
      const std::string keys :
      {R"(, "runtimeConfig": {"bandwidth": {"ingressRate": 8000000, "ingressBurst": 4294967295,
             "egressRate": 1000, "egressBurst": 34359738359}})",
       R"(, "runtimeConfig": {"Bandwidth": {"IngressRate": 8000000, "IngressBurst": 4294967295,
             "EgressRate": 1000, "EgressBurst": 34359738359}})",
       R"(, "ingressRate": 8000000, "ingressBurst": 4294967295, "egressRate": 1000, "egressBurst": 34359738359)"}) {
    const auto call = addWith(keys);
    REQUIRE(call);
    CHECK(call->request.ingress == in);
    CHECK(call->request.egress == out);
  }
}

TEST_CASE("the runtime's bandwidth replaces the config's, and 0 is no limit") {
  const auto call = addWith(R"(, "ingressRate": 1, "ingressBurst": 1, "runtimeConfig": {"bandwidth":
                                {"ingressRate": 0, "ingressBurst": 0, "egressRate": 9, "egressBurst": 8}})");
  REQUIRE(call);
  CHECK_FALSE(call->request.ingress);
  CHECK(call->request.egress == Rate{.bitsPerSecond = 9, .burstBits = 8});
  CHECK_FALSE(addWith("")->request.ingress);
}

TEST_CASE("a rate that makes no sense is refused by its key") {
  CHECK(refusal(R"(, "egressRate": -1, "egressBurst": 1)") == "egressRate: -1 is not a number of bits");
  CHECK(refusal(R"(, "egressRate": "1M", "egressBurst": 1)") == "egressRate: \"1M\" is not a number of bits");
  CHECK(refusal(R"(, "runtimeConfig": {"bandwidth": {"ingressRate": 5}})") ==
        "runtimeConfig.bandwidth.ingressBurst: 0 is not a number of bits; a rate needs one");
  CHECK(refusal(R"(, "runtimeConfig": {"bandwidth": 7})") == "runtimeConfig.bandwidth: 7 is not an object");
}

TEST_CASE("a rate fits the record that is kept of it") {
  const auto call = addWith(R"(, "ingressRate": 18446744073709551615, "ingressBurst": 18446744073709551615)");
  REQUIRE(call);
  Attachment attachment;
  attachment.ingress = call->request.ingress;
  CHECK(attachment.ingress->bitsPerSecond == std::numeric_limits<std::int64_t>::max());
}
