// SPDX-License-Identifier: Apache-2.0
#include "agent/subnet_env.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>

#include <fmt/format.h>

namespace twill {
namespace {

InterfaceAddress firstAddress(const Prefix& subnet) {
  return {subnet.address().plus(1), subnet.length()};
}

template <class T>
void read(std::optional<T>& into, std::string_view value) {
  if (auto parsed = T::parse(value)) into = *parsed;
}

}  // namespace

SubnetEnv makeSubnetEnv(const NetworkConfig& network, const Lease& lease, int mtu, bool ipMasq) {
  SubnetEnv env{.mtu = mtu, .ipMasq = ipMasq};
  if (network.v4) env.network = network.v4->network;
  if (lease.subnet) env.subnet = firstAddress(*lease.subnet);
  if (network.v6) env.network6 = network.v6->network;
  if (lease.subnet6) env.subnet6 = firstAddress(*lease.subnet6);
  return env;
}

std::string toText(const SubnetEnv& env) {
  std::string out;
  auto line = [&out](std::string_view key, const auto& value) {
    if (value) fmt::format_to(std::back_inserter(out), "{}={}\n", key, value->text());
  };
  line("FLANNEL_NETWORK", env.network);
  line("FLANNEL_SUBNET", env.subnet);
  line("FLANNEL_IPV6_NETWORK", env.network6);
  line("FLANNEL_IPV6_SUBNET", env.subnet6);
  fmt::format_to(std::back_inserter(out), "FLANNEL_MTU={}\nFLANNEL_IPMASQ={}\n", env.mtu, env.ipMasq);
  return out;
}

SubnetEnv parseSubnetEnv(std::string_view text) {
  SubnetEnv env;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    auto equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    std::string_view key = line.substr(0, equals);
    std::string_view value = line.substr(equals + 1);
    if (key == "FLANNEL_NETWORK") read(env.network, value);
    if (key == "FLANNEL_SUBNET") read(env.subnet, value);
    if (key == "FLANNEL_IPV6_NETWORK") read(env.network6, value);
    if (key == "FLANNEL_IPV6_SUBNET") read(env.subnet6, value);
    if (key == "FLANNEL_MTU") std::from_chars(value.data(), value.data() + value.size(), env.mtu);
    if (key == "FLANNEL_IPMASQ") env.ipMasq = value == "true";
  }
  return env;
}

}  // namespace twill
