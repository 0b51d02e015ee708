// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/attachment.hpp"

namespace twill::lab {

/// What a lab is made of. A plain value, kept inside the lab as lab.json.
struct Spec {
  std::string name = "lab";
  int nodes = 3;
  int containers = 2;  ///< on each node
  int segments = 1;    ///< L2 networks that the nodes are spread over; more than one are joined by a router
  std::string backend = "host-gw";
  std::string engine = "auto";  ///< of the backends udp and ipip
  bool directRouting = false;
  bool fastPath = false;
  std::string datastore = "gossip";        ///< or "bgp", or "file", or "etcd" on a machine of its own
  std::string router = "bird";             ///< between segments, with bgp: or "frr", or "gobgp"
  std::vector<std::string> etcdEndpoints;  ///< outside of the lab, in place of one in it; empty: none
  bool ipv6 = false;
  AttachMode attach = AttachMode::bridge;
  std::vector<int> mtu = {1500};  ///< bytes; of each segment, or one value for all
  double loss = 0;                ///< percent of the packets, of each node's cable in either direction
  double delay = 0;               ///< milliseconds one way, of each node's cable

  auto operator<=>(const Spec&) const = default;
  /// Whether nodes' cables lose or delay packets.
  [[nodiscard]] bool shaped() const { return loss > 0 || delay > 0; }
};

/// Limits, so that addresses and interface names fit. The error names the option, its value and the range.
[[nodiscard]] Result<void> check(const Spec& spec);

/// Whether the backend keeps its routes in a cloud's tables.
[[nodiscard]] bool isCloud(const Spec& spec);

/// Whether a router that runs no agent carries containers' packets, so that it has to know of subnets.
[[nodiscard]] bool routerNeedsMap(const Spec& spec);

[[nodiscard]] std::string toJson(const Spec& spec);
[[nodiscard]] Result<Spec> parseSpec(std::string_view json);

/// The options that give this spec, without the defaults: "--nodes 5 --ipv6".
[[nodiscard]] std::string asOptions(const Spec& spec);

/// What nodes' cables do to packets: "20 ms and 0.5 % loss each way". Of a spec that is shaped().
[[nodiscard]] std::string cableWords(const Spec& spec);

/// "node1", "node1/con2", "router", "etcd", "wire": whose network namespace is meant.
struct PlaceName {
  std::string machine;
  std::string container;  ///< empty: the machine's own

  auto operator<=>(const PlaceName&) const = default;
  [[nodiscard]] std::string text() const { return container.empty() ? machine : machine + "/" + container; }
};
/// Anything with at most one slash and no empty part; whether it is there is another question.
[[nodiscard]] Result<PlaceName> parsePlace(std::string_view text);

/// "node3" for 2
[[nodiscard]] std::string nodeName(int index);
/// "con3" for 2
[[nodiscard]] std::string containerName(int index);

}  // namespace twill::lab
