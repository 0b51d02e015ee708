// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "tunnel/packet.hpp"
#include "tunnel/peer_table.hpp"

namespace twill::tunnel {

enum class Verdict : std::uint8_t { admitted, stranger, misdirected };

/// What may come out of the tunnel: packets whose source inside belongs to the peer that sent them, for one
/// who is behind this node. All else would let a stranger speak as a container, or go round in circles.
struct Admission {
  std::vector<Prefix> own;  ///< this node's subnets and addresses

  struct Answer {
    Verdict verdict = Verdict::stranger;
    const Peer* peer = nullptr;  ///< the sender, when it was admitted
  };
  [[nodiscard]] Answer judge(const IpView& inner, const IpAddress& sender, const PeerTable& peers) const;
};

}  // namespace twill::tunnel
