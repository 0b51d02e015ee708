// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/address.hpp"

namespace twill {

/// One family's half of a network config: the cluster's prefix and how nodes get subnets out of it.
struct FamilyConfig {
  Prefix network;
  int subnetLength = 24;  ///< length of one node's subnet
  Prefix subnetMin;       ///< first and last subnet that may be handed out
  Prefix subnetMax;

  auto operator<=>(const FamilyConfig&) const = default;
};

/// flannel's "Backend" object: the keys of every backend in one record; a backend reads those that are its
/// own. A number that is 0 means "the backend's default".
struct BackendConfig {
  std::string type = "udp";  ///< lower case; flannel's default when the object is absent
  std::uint32_t vni = 1;
  std::uint16_t port = 0;
  int mtu = 0;
  bool gbp = false;
  bool learning = false;
  bool directRouting = false;   ///< on with ipip unless it is set
  std::string engine = "auto";  ///< Twill's own key, of udp and ipip: one of enginesOf()
  std::uint16_t listenPort = 51820;
  std::uint16_t listenPortV6 = 51821;
  std::string psk;
  int persistentKeepaliveSeconds = 0;
  std::string mode = "separate";
  std::vector<std::string> routeTableIds;

  auto operator<=>(const BackendConfig&) const = default;
};

/// flannel's net-conf.json, which is the same on every node. At least one family is present.
struct NetworkConfig {
  std::optional<FamilyConfig> v4;
  std::optional<FamilyConfig> v6;
  bool enableNftables = false;  ///< read for compatibility; Twill always uses nftables
  BackendConfig backend;

  auto operator<=>(const NetworkConfig&) const = default;

  /// The cluster's prefixes, one per family that is on.
  [[nodiscard]] std::vector<Prefix> networks() const;
  /// Null when that family is off.
  [[nodiscard]] const FamilyConfig* family(Family family) const;
};

/// Reads net-conf.json as flannel does: keys match whatever their case, unknown keys are ignored,
/// Backend.Type is lower-cased. The error names the key, its value and what was expected.
[[nodiscard]] Result<NetworkConfig> parseNetworkConfig(std::string_view json);

/// The config in flannel's spelling; parseNetworkConfig reads it back to an equal value.
[[nodiscard]] std::string toJson(const NetworkConfig& config);

/// Who can carry the packets of a backend: "auto", "driver" and "ebpf" with ipip, else udp's "auto", "user"
/// and "kernel", which a backend that has no engines does not look at.
[[nodiscard]] std::span<const std::string_view> enginesOf(std::string_view type);
[[nodiscard]] bool isEngine(std::string_view type, std::string_view name);
/// "\"auto\", \"user\" or \"kernel\"", for messages.
[[nodiscard]] std::string engineWords(std::string_view type);

}  // namespace twill
