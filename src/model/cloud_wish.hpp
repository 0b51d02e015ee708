// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/network_config.hpp"
#include "net/address.hpp"

namespace twill {

/// What the cloud's own route tables should hold, as far as this node has to do with it.
struct CloudWish {
  std::string type;                 ///< Backend.Type: "aws-vpc", "gce"
  std::string node;                 ///< this one's name
  std::optional<IpAddress> local4;  ///< where it stands on the underlay; one of them at least
  std::optional<IpAddress> local6;
  std::vector<std::string> tables;     ///< by id; empty: the one of the node's own part of the network
  std::vector<FamilyConfig> networks;  ///< one for each family that is on
  std::vector<Prefix> own;             ///< this node's subnets: they are to lead to it
  std::vector<Prefix> leased;          ///< subnets of all nodes, this one's too; sorted
  std::vector<std::string>
      colleagues;  ///< names of the nodes that are reached this way, this one too; sorted

  bool operator==(const CloudWish&) const = default;

  /// Errors name the key. Only what text() writes.
  static Result<CloudWish> parse(std::string_view text);
  /// What is needed to take routes away again: type, node, local4, local6, tables and networks, as JSON.
  [[nodiscard]] std::string text() const;
};

}  // namespace twill
