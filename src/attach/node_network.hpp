// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "net/address.hpp"

namespace twill {

/// What attachments need to know of their node.
struct NodeNetwork {
  std::string node;
  std::optional<Prefix> subnet;  ///< the node's lease; absent: no containers in that family
  std::optional<Prefix> subnet6;
  int mtu = 1500;  ///< what the backend leaves of the underlay's

  [[nodiscard]] bool holds(const IpAddress& address) const {
    return (subnet && subnet->contains(address)) || (subnet6 && subnet6->contains(address));
  }
  auto operator<=>(const NodeNetwork&) const = default;
};

}  // namespace twill
