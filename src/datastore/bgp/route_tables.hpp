// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "net/address.hpp"

namespace twill::bgp {

/// A subnet that BIRD has learned, as it stands in the kernel.
struct LearnedRoute {
  Prefix prefix;
  IpAddress nextHop;
  std::uint32_t digest = 0;  ///< of the record that goes with it; 0: none

  auto operator<=>(const LearnedRoute&) const = default;
};

/// The two routing tables between the agent and BIRD, in the kernel.
///
/// Threading: none of its own; no call waits for anything but the kernel.
class RouteTables {
 public:
  virtual ~RouteTables() = default;

  /// Readable when there is something for drain().
  [[nodiscard]] virtual int fd() const = 0;
  /// Takes all notifications; true when one may be about the tables.
  [[nodiscard]] virtual bool drain() = 0;
  /// Makes what the learned routes lead over, unless it is there.
  [[nodiscard]] virtual Result<void> prepare() = 0;
  /// By prefix, one route each.
  [[nodiscard]] virtual Result<std::vector<LearnedRoute>> learned() = 0;
  /// From now on exactly these.
  [[nodiscard]] virtual Result<void> announce(const std::vector<Prefix>& prefixes) = 0;
};

}  // namespace twill::bgp
