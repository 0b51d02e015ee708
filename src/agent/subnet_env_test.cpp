// SPDX-License-Identifier: Apache-2.0
#include "agent/subnet_env.hpp"

#include <doctest/doctest.h>

using namespace twill;

TEST_CASE("subnet.env has flannel's lines in flannel's order") {
  NetworkConfig network;
  network.v4 = FamilyConfig{.network = *Prefix::parse("10.42.0.0/16")};
  network.v6 = FamilyConfig{.network = *Prefix::parse("fd42::/56")};
  Lease lease{.subnet = Prefix::parse("10.42.3.0/24").value(),
              .subnet6 = Prefix::parse("fd42:0:0:3::/64").value()};
  SubnetEnv env = makeSubnetEnv(network, lease, 1450, true);
  CHECK(toText(env) ==
        "FLANNEL_NETWORK=10.42.0.0/16\n"
        "FLANNEL_SUBNET=10.42.3.1/24\n"
        "FLANNEL_IPV6_NETWORK=fd42::/56\n"
        "FLANNEL_IPV6_SUBNET=fd42:0:0:3::1/64\n"
        "FLANNEL_MTU=1450\n"
        "FLANNEL_IPMASQ=true\n");
  CHECK(parseSubnetEnv(toText(env)) == env);
}

TEST_CASE("a broken subnet.env is read as far as it makes sense") {
  SubnetEnv env = parseSubnetEnv("FLANNEL_SUBNET=nonsense\nfoo\nFLANNEL_MTU=\n=\nFLANNEL_NETWORK=10.0.0.0/8");
  CHECK_FALSE(env.subnet);
  CHECK(env.mtu == 0);
  CHECK(env.network == *Prefix::parse("10.0.0.0/8"));
  CHECK(parseSubnetEnv("") == SubnetEnv{});
}
