// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "model/cluster.hpp"

namespace twill {

/// What flannel's subnet.env says; other programs source it as a shell file.
struct SubnetEnv {
  std::optional<Prefix> network;
  std::optional<InterfaceAddress> subnet;  ///< first address of the node's subnet, "172.16.0.1/24"
  std::optional<Prefix> network6;
  std::optional<InterfaceAddress> subnet6;
  int mtu = 0;
  bool ipMasq = false;

  auto operator<=>(const SubnetEnv&) const = default;
};

[[nodiscard]] SubnetEnv makeSubnetEnv(const NetworkConfig& network, const Lease& lease, int mtu, bool ipMasq);

/// The file's text, in flannel's order.
[[nodiscard]] std::string toText(const SubnetEnv& env);

/// Reads what toText() or flannel wrote; lines it does not know are skipped, broken ones too: the file is a
/// hint.
[[nodiscard]] SubnetEnv parseSubnetEnv(std::string_view text);

}  // namespace twill
