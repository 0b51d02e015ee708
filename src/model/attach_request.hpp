// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/attachment.hpp"

namespace twill {

/// What a container's runtime asks for: one interface, in words that no protocol is left of.
struct AttachRequest {
  std::string network;
  std::string containerId;
  std::string ifname;
  std::string netns;
  AttachMode mode = AttachMode::bridge;
  std::optional<int> mtu;            ///< the node's choice unless given
  std::optional<MacAddress> mac;     ///< derived from the address unless given
  std::vector<IpAddress> addresses;  ///< asked for by the user; at most one of each family
  /// Whether the container's default routes go over this interface. Unless given: if no other one has them.
  std::optional<bool> defaultRoute;
  bool hairpin = false;
  bool spoofGuard = true;
  std::vector<PortMapping> ports;
  std::optional<Rate> ingress;  ///< towards the container
  std::optional<Rate> egress;   ///< from the container

  auto operator<=>(const AttachRequest&) const = default;

  /// The key that the attachment will have.
  [[nodiscard]] std::string key() const { return network + "/" + containerId + "/" + ifname; }
};

}  // namespace twill
