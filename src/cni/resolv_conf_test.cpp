// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "cni/call.hpp"

using namespace twill::cni;

TEST_CASE("a resolv.conf becomes a result's dns") {
  CHECK(dnsOf("") == "{}");
  CHECK(dnsOf("# nothing\n;nothing\nnameserver\nunknown x\n") == "{}");
  CHECK(dnsOf("domain lab\nnameserver 10.0.0.53\n nameserver\tfd00::53 \nsearch a.lab b.lab\noptions ndots:2 "
              "edns0") ==
        R"({"domain":"lab","nameservers":["10.0.0.53","fd00::53"],"options":["ndots:2","edns0"],)"
        R"("search":["a.lab","b.lab"]})");
  CHECK(dnsOf("nameserver \xff").find("nameservers") != std::string::npos);
}
