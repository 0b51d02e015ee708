// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "net/address.hpp"

namespace twill {

/// What attachments need to know of their node, in one of its networks.
struct NodeNetwork {
  std::string node;
  std::string network;  ///< empty where the node is in one alone
  std::string bridge = "twill0";
  std::optional<Prefix> subnet;  ///< the node's lease; absent: no containers in that family
  std::optional<Prefix> subnet6;
  int mtu = 1500;  ///< what the backend leaves of the underlay's

  /// What others have: all of the cluster's networks, of which `subnet` is ours, and the underlay's segment.
  std::vector<Prefix> networks;
  std::vector<Prefix> segments;

  /// The bridge's own address, the first of each subnet.
  [[nodiscard]] bool isGateway(const IpAddress& address) const {
    const auto isFirst = [&](const auto& of) {
      return of && of->size() > 2 && of->address().plus(1) == address;
    };
    return isFirst(subnet) || isFirst(subnet6);
  }
  [[nodiscard]] bool holds(const IpAddress& address) const {
    return (subnet && subnet->contains(address)) || (subnet6 && subnet6->contains(address));
  }
  auto operator<=>(const NodeNetwork&) const = default;
};

}  // namespace twill
