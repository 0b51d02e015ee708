// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/attachment.hpp"

namespace twill {

/// Addresses of one subnet, as host-local has it.
struct AddressRange {
  Prefix subnet;
  std::optional<IpAddress> first;  ///< absent: the first of the subnet that may be handed out
  std::optional<IpAddress> last;
  std::optional<IpAddress> gateway;

  auto operator<=>(const AddressRange&) const = default;
};

/// An address that another plugin has chosen ("delegated IPAM").
struct GivenAddress {
  InterfaceAddress address;
  std::optional<IpAddress> gateway;

  auto operator<=>(const GivenAddress&) const = default;
};

/// What a container's runtime asks for: one interface, in words that no protocol is left of.
struct AttachRequest {
  std::string network;  ///< the runtime's word for it
  std::string home;     ///< Attachment::home; empty: the one of subnetFile, else the node's first
  std::string subnetFile;
  std::string containerId;
  std::string ifname;
  std::string netns;
  AttachMode mode = AttachMode::bridge;
  std::optional<int> mtu;            ///< the node's choice unless given
  std::optional<MacAddress> mac;     ///< derived from the address unless given
  std::vector<IpAddress> addresses;  ///< asked for by the user; at most one of each family
  /// The interface gets an address out of each set of ranges; without any, one of each of the node's subnets.
  std::vector<std::vector<AddressRange>> ranges;
  std::optional<std::vector<GivenAddress>> given;  ///< instead of all this
  /// What an address that is not of the node's subnets sends out leaves under the node's address.
  bool ipMasq = false;
  bool nodeIsGateway = true;           ///< Attachment::nodeIsGateway
  std::vector<ContainerRoute> routes;  ///< instead of the default routes; no `via`: over the gateway
  /// Where the host-local plugin keeps its reservations; those of this network are respected.
  std::string hostLocalDir = "/var/lib/cni/networks";
  /// Whether the interface gets default routes; behind those of an interface that came before. Unless given:
  /// when there are no `routes`.
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

/// What a runtime expects to find: the result of its whole list of plugins, which may have changed what Twill
/// made.
struct ExpectedInterface {
  std::string netns;  ///< where it is, by the runtime's words
  std::optional<MacAddress> mac;
  std::vector<InterfaceAddress> addresses;
  std::vector<ContainerRoute> routes;  ///< of this interface; no `via`: any will do
};

}  // namespace twill
