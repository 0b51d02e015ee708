// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>

#include "model/bgp_config.hpp"
#include "model/network_config.hpp"

/// What BIRD 2 is told. Pure.
namespace twill::bgp {

/// The kernel's routing tables between the agent and BIRD. Nothing is forwarded by them.
inline constexpr std::uint32_t kLearnedTable = 177;    ///< BIRD writes what it learned
inline constexpr std::uint32_t kAnnouncedTable = 178;  ///< the agent writes what this node has
/// The routes of the first one lead over a bridge without ports: one that is always up, whatever happens to
/// the node's own interfaces, with which the kernel would take the routes away.
inline constexpr const char* kPlaceholder = "twill-bgp";

struct BirdSettings {
  BgpConfig config;
  NetworkConfig network;
  std::string node;                              ///< this node's name
  IpAddress address;                             ///< that its sessions come from
  std::optional<IpAddress> other;                ///< of the other family, if it has one: for routers outside
  std::string record;                            ///< that goes with its subnets
  std::map<std::string, std::string> passwords;  ///< by file
  std::map<std::string, std::string> customFiles;  ///< that BIRD reads, too: path -> content
};

/// The whole of bird.conf. The error says what the settings lack.
[[nodiscard]] Result<std::string> birdConfig(const BirdSettings& settings);

/// Whether BIRD ends sessions, and so withdraws routes, when it changes from one config of birdConfig() to
/// another: where something else than filters is another for a neighbour that is in both. A restart with
/// recovery does the same without a loss.
[[nodiscard]] bool endsSessions(const std::string& before, const std::string& after);

/// A node's number in BGP and in next hops that stand for it: its IPv4 address, or one that is made from its
/// IPv6 address.
[[nodiscard]] IpAddress routerIdOf(const IpAddress& address);
/// The next hop of its IPv6 subnets. The kernel takes none that main leads elsewhere, which real addresses
/// are.
[[nodiscard]] IpAddress nextHop6Of(const IpAddress& routerId);
/// The router id in such a next hop, or in an IPv4 one; any other address is its own.
[[nodiscard]] IpAddress announcerOf(const IpAddress& nextHop);

}  // namespace twill::bgp
