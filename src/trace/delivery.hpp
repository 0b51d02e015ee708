// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "trace/network.hpp"
#include "trace/segment.hpp"

namespace twill::trace {

/// Who takes a frame for a next hop. At most one of `to` and `exit` is there; with neither, `fault` says why.
struct Delivery {
  NeighbourEntry entry;  ///< the sender's; state `none`: it has none
  std::optional<Station> to;
  std::optional<Crossing> exit;  ///< it goes out of what is known by this port
  std::string fault;
  std::vector<std::string> notes;
};

/// Finds out as the sender would: by its neighbour entry, else by who answers ARP or neighbour discovery.
/// `out` is the sender's interface, `sender` the address that it asks with.
[[nodiscard]] Result<Delivery> deliver(const Network& network, const Port& out, const IpAddress& nextHop,
                                       const std::optional<IpAddress>& sender);

}  // namespace twill::trace
