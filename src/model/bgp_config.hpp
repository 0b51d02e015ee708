// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/address.hpp"

namespace twill {

/// net-conf.json's "BGP" object: who talks BGP with whom, of the datastore bgp. A plain value; the same on
/// every node.
struct BgpConfig {
  /// One of the cluster's nodes.
  struct Node {
    std::string name;  ///< as by --node-name; empty: known by its address alone
    IpAddress address;
    std::uint32_t as = 0;  ///< 0: the cluster's
    bool reflector = false;

    auto operator<=>(const Node&) const = default;
  };
  /// A router outside of the cluster: a top-of-rack switch, a route server.
  struct Peer {
    IpAddress address;
    std::uint32_t as = 0;
    std::uint16_t port = 179;
    std::string passwordFile;
    std::vector<std::string> nodes;  ///< who talks with it, by name or address; empty: all
    int hops = 1;                    ///< how many routers away it may be, itself included
    bool ttlSecurity = false;        ///< RFC 5082, GTSM
    bool wholeCluster = false;       ///< it gets what this node has learned, too, not only this node's own
    std::vector<Prefix> imports;     ///< what it may announce of the cluster's prefixes; empty: nothing
    std::vector<Prefix> exports;     ///< what it gets of the cluster's prefixes; empty: all
    std::vector<std::string> communities;

    auto operator<=>(const Peer&) const = default;
  };

  std::uint32_t as = 64512;
  std::uint16_t port = 179;
  std::uint16_t echoPort = 8179;  ///< UDP, of the liveness echo
  std::vector<Node> nodes;
  std::vector<Prefix> nodePrefixes;  ///< reflectors take every node whose address is in one of these
  std::vector<Peer> peers;
  std::string passwordFile;  ///< between the nodes: TCP MD5, RFC 2385
  int holdSeconds = 30;
  int restartSeconds = 60;      ///< graceful restart, RFC 4724
  int hops = 0;                 ///< TTL security between nodes that are at most so many hops apart; 0: off
  std::vector<Prefix> imports;  ///< what nodes may announce of the cluster's prefixes; empty: all
  std::vector<Prefix> exports;  ///< what nodes announce to each other; empty: all
  std::vector<std::string> communities;  ///< "64512:100" or "64512:1:2", on what nodes announce

  auto operator<=>(const BgpConfig&) const = default;

  /// The entry of that name or, without one, of that address; null: there is none.
  [[nodiscard]] const Node* node(std::string_view name, const std::optional<IpAddress>& address) const;
  [[nodiscard]] bool hasReflectors() const;
};

/// Of the whole net-conf.json; the defaults where it has no "BGP" object. Keys match whatever their case.
/// Unlike with flannel's own keys, one that is unknown here is an error: a filter with a slip in its name
/// would filter nothing. Errors name the key, its value and what was expected.
[[nodiscard]] Result<BgpConfig> parseBgpConfig(std::string_view netConf);

/// A community as BIRD writes it, "(64512, 100)"; an error unless it is one of RFC 1997 or RFC 8092.
[[nodiscard]] Result<std::string> communityText(std::string_view text);

}  // namespace twill
