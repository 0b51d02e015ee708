// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/address.hpp"

namespace twill {

enum class AttachMode {
  bridge,  ///< host side is a port of its network's bridge; the gateway is the bridge's address
  routed,  ///< no bridge: /32 and /128 on the container's end, host routes on the node
};

/// A route inside a container.
struct ContainerRoute {
  Prefix dst;
  std::optional<IpAddress> via;       ///< absent: directly on the link
  std::uint32_t mtu = 0;              ///< 0: the interface's
  std::uint32_t advmss = 0;           ///< what TCP says that it takes; 0: what follows from the MTU
  std::uint32_t priority = 0;         ///< metric; 0: the family's default, or behind other interfaces' routes
  std::uint32_t table = 0;            ///< 0: main
  std::optional<std::uint8_t> scope;  ///< rtnetlink(7); absent: link without `via`, else universe

  auto operator<=>(const ContainerRoute&) const = default;

  [[nodiscard]] bool hasAttributes() const { return *this != ContainerRoute{.dst = dst, .via = via}; }
  [[nodiscard]] bool inMainTable() const { return table == 0 || table == kMainTable; }
  /// What it leads to is no further away than the link: no next hop goes with that.
  [[nodiscard]] bool staysOnLink() const { return scope.value_or(0) >= kLinkScope; }

  static constexpr std::uint32_t kMainTable = 254;  ///< RT_TABLE_MAIN
  static constexpr std::uint8_t kLinkScope = 253;   ///< RT_SCOPE_LINK; RT_SCOPE_HOST is one more
};

/// An attribute that is a number, by the name that CNI and our records have for it.
struct RouteNumber {
  const char* name;
  std::uint32_t ContainerRoute::*member;
};
inline constexpr std::array kRouteNumbers{
    RouteNumber{"mtu", &ContainerRoute::mtu}, RouteNumber{"advmss", &ContainerRoute::advmss},
    RouteNumber{"priority", &ContainerRoute::priority}, RouteNumber{"table", &ContainerRoute::table}};

enum class PortProtocol : std::uint8_t { tcp, udp, sctp };

/// "tcp", "udp", "sctp"
[[nodiscard]] std::string_view textOf(PortProtocol protocol);

/// A port of the node that leads to one of the container's.
struct PortMapping {
  PortProtocol protocol = PortProtocol::tcp;
  std::optional<IpAddress> hostIp;  ///< absent: every address of the node
  std::uint16_t hostPort = 0;
  std::uint16_t containerPort = 0;

  auto operator<=>(const PortMapping&) const = default;
};

/// A limit on one direction of a container's traffic: a token bucket.
struct Rate {
  std::uint64_t bitsPerSecond = 0;
  std::uint64_t burstBits = 0;  ///< how much may go at once

  auto operator<=>(const Rate&) const = default;
};

/// One container's interface: everything needed to make it, and to make it again. A plain value, stored on
/// disk.
struct Attachment {
  std::string network;      ///< CNI network name
  std::string containerId;  ///< CNI_CONTAINERID
  std::string ifname;       ///< name inside the container
  std::string home;         ///< which of Twill's networks it is in; empty where the node is in one alone
  std::string bridge = "twill0";  ///< of that network
  std::string netns;              ///< path of its network namespace, as the runtime gave it
  std::string netnsId;            ///< which namespace that was (kernel/netns.hpp); empty when not known
  AttachMode mode = AttachMode::bridge;
  std::string hostIfname;  ///< tw<hash>, the node's end of the veth
  MacAddress mac;          ///< container's end
  MacAddress hostMac;      ///< node's end
  int mtu = 1500;
  bool hairpin = false;
  bool spoofGuard = true;  ///< packets from other than its own addresses and MAC are dropped
  std::vector<PortMapping> ports;
  std::optional<Rate> ingress;              ///< towards the container
  std::optional<Rate> egress;               ///< from the container
  std::vector<InterfaceAddress> addresses;  ///< at most one of each family
  std::vector<IpAddress> gateways;          ///< at most one of each family; what the default routes point at
  std::vector<ContainerRoute> routes;
  /// Addresses that nobody beyond this node knows: what they send out leaves under the node's address.
  std::vector<IpAddress> masqueraded;
  bool nodeIsGateway = true;  ///< bridge mode: the bridge carries the gateways; else they are somebody else's

  auto operator<=>(const Attachment&) const = default;

  /// "<network>/<container>/<ifname>": identity, and the owner of its operations.
  [[nodiscard]] std::string key() const { return network + "/" + containerId + "/" + ifname; }
};

/// tw + 11 characters of a hash over the key: fits IFNAMSIZ, the same on every call.
[[nodiscard]] std::string hostInterfaceName(std::string_view attachmentKey);

[[nodiscard]] Result<Attachment> parseAttachment(std::string_view json);
[[nodiscard]] std::string toJson(const Attachment& attachment);

}  // namespace twill
