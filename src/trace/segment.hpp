// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "trace/network.hpp"

namespace twill::trace {

/// A bridge port, or the end of a cable, that a frame passes on its way.
struct Crossing {
  Port port;
  std::string bridge;  ///< the bridge that it is a port of; empty at the end of the way

  auto operator<=>(const Crossing&) const = default;
};

/// Somebody who gets a frame: an interface with an IP stack behind it, and the way there.
struct Station {
  Port port;  ///< as its own place sees it come in: a bridge, not the bridge's port
  std::vector<Crossing> way;
};

/// One L2 network, seen from an interface that sends into it.
struct Segment {
  std::vector<Station> stations;  ///< nearest first
  std::vector<Crossing> exits;    ///< links that lead out of what is known: a network card, a tunnel
};

/// Everybody that a frame from `from` can reach over cables and bridges. Links count whether up or down.
[[nodiscard]] Segment segmentOf(const Network& network, const Port& from);

/// Something on the way that stops a frame.
struct Obstruction {
  enum class Why : std::uint8_t { down, noCarrier, tooSmall };
  Port port;
  Why why = Why::down;
};
/// The first that stops one of `bytes` (IP header and what follows).
[[nodiscard]] std::optional<Obstruction> obstructionOn(const Network& network,
                                                       const std::vector<Crossing>& way, int bytes);

}  // namespace twill::trace
