// SPDX-License-Identifier: Apache-2.0
#include "tunnel/admission.hpp"

#include <algorithm>

namespace twill::tunnel {

Admission::Answer Admission::judge(const IpView& inner, const IpAddress& sender,
                                   const PeerTable& peers) const {
  const Peer* peer = peers.find(inner.family, inner.source);
  if (peer == nullptr || peer->endpoint != sender) return {Verdict::stranger, nullptr};
  const auto destination = IpAddress::fromBytes({inner.destination, inner.addressSize()});
  const bool ours =
      std::any_of(own.begin(), own.end(), [&](const Prefix& prefix) { return prefix.contains(destination); });
  return {ours ? Verdict::admitted : Verdict::misdirected, peer};
}

}  // namespace twill::tunnel
