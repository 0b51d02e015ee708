// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "kernel/netlink.hpp"
#include "plan/state.hpp"

namespace twill {

/// Alias of a veth whose peer is not set up yet. It becomes link.alias last, so that a process that died in
/// between leaves a link that the next one sees as ours and different, and finishes.
inline constexpr const char* kUnfinishedAlias = "twill:unfinished";

/// Makes a veth with its peer straight in the peer's namespace, then in there: lo and the peer up, addresses,
/// routes. A route that another interface in there has already is added with a higher metric. When a step
/// fails, no link is left. `master`: ifindex of the bridge, 0 for none. An error with code ESTALE: there is
/// no such namespace, or none that a container could have; it will not come back.
[[nodiscard]] Result<void> addVeth(netlink::Socket& socket, const Link& link, int master);

/// Sets up, again, the peer of a veth that is there, and gives the link its alias.
[[nodiscard]] Result<void> finishVeth(netlink::Socket& socket, const Link& link, std::optional<int> master);

/// What is in a container's namespace.
struct PeerNamespace {
  KernelState state;  ///< links, addresses and neighbours
  /// Of every table: plugins that route by source keep a container's routes in one of their own.
  std::vector<Route> routes;
};

/// Reads the namespace that holds the peer. Errors as for addVeth().
[[nodiscard]] Result<PeerNamespace> readPeerNamespace(const VethPeer& peer);

}  // namespace twill
