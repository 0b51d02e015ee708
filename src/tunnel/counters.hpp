// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

namespace twill::tunnel {

/// Packets that went nowhere, by reason.
struct Dropped {
  std::atomic<std::uint64_t> strangers{0};    ///< not from the peer that the source inside belongs to
  std::atomic<std::uint64_t> misdirected{0};  ///< for nobody behind this node
  std::atomic<std::uint64_t> malformed{0};    ///< no IP packet
  std::atomic<std::uint64_t> unreachable{0};  ///< to no peer that is known, or the underlay refused
  std::atomic<std::uint64_t> tooLarge{0};     ///< for the path to the peer
  std::atomic<std::uint64_t> unwritten{0};    ///< the device did not take it
};

inline void count(std::atomic<std::uint64_t>& counter) {
  counter.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace twill::tunnel
