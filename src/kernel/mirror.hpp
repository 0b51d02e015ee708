// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "kernel/kernel.hpp"
#include "kernel/link.hpp"
#include "kernel/neighbour.hpp"
#include "kernel/netlink.hpp"

namespace twill {

/// Takes a link and all that is on it out of an actual state.
void forgetLink(const std::string& link, KernelState& state);

/// Folds rtnetlink's messages into an actual state, those of a dump and notifications alike. Touches nothing
/// but its arguments. Messages may be doubled, out of date or hostile; applying them again in order ends in
/// the same state.
class Mirror {
 public:
  using Drained = Kernel::Drained;

  /// `lost`: the kernel dropped more than it said.
  Drained fold(const netlink::Received& message, KernelState& state, const Interest& interest);
  /// Takes the links of a dump, all at once: a port may come before its bridge.
  void foldAllLinks(std::span<const std::vector<std::uint8_t>> payloads, KernelState& state);
  /// The VXLAN devices of ours that something was said about since the last call: Link::checksumOffload is
  /// not part of what is said, and has to be asked for.
  [[nodiscard]] std::set<std::string> takeAnnounced() { return std::exchange(announced_, {}); }

 private:
  Drained newLink(netlink::Bytes payload, KernelState& state);
  Drained deleteLink(netlink::Bytes payload, KernelState& state);
  Drained bridgePort(const netlink::LinkMessage& message, bool isPort, KernelState& state) const;
  Drained foldAddress(netlink::Bytes payload, bool there, KernelState& state) const;
  Drained foldNeighbour(netlink::Bytes payload, bool there, KernelState& state) const;
  static Drained foldRule(netlink::Bytes payload, bool there, KernelState& state);
  Drained foldForwarding(const netlink::ForwardingMessage& message, bool there, KernelState& state) const;
  Drained foldRoute(const netlink::Received& message, KernelState& state, const Interest& interest) const;
  /// Null when a link of this index is not known: it is gone, or will be announced.
  [[nodiscard]] const std::string* nameOf(int index) const;

  std::unordered_map<int, std::string> names_;  ///< by ifindex; messages use that, states use names
  std::set<std::string> announced_;
};

}  // namespace twill
