// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "plan/state.hpp"

namespace twill {

enum class Verb : std::uint8_t { add, change, remove };

/// One step towards the wanted state. `object` is the wanted one for add and change, the actual one for
/// remove.
struct Operation {
  Verb verb = Verb::add;
  Object object;

  /// Who is hurt when this fails: a lease, an attachment, "node". Failures are retried per owner.
  [[nodiscard]] const std::string& owner() const { return ownerOf(object); }
};

/// A foreign object that stands where a wanted one should. It is reported, never changed.
struct Obstacle {
  std::string owner;  ///< whose object cannot be had, or is overshadowed
  std::string text;   ///< both objects by name, and what to do

  auto operator<=>(const Obstacle&) const = default;
};

struct Difference {
  std::vector<Operation> operations;  ///< in an order that the kernel accepts
  std::vector<Obstacle> obstacles;
  /// Foreign objects that are worth a word but not in the way: a route that ours goes before.
  std::vector<Obstacle> notices;

  [[nodiscard]] bool empty() const { return operations.empty(); }
};

/// What must change so that `actual` becomes `wanted`. Pure; linear in the sizes. Order: settings, tables,
/// their elements, links, addresses, neighbours, forwarding entries, routes, rules; then removals the other
/// way round. Only objects that are ours are removed.
[[nodiscard]] Difference diff(const KernelState& wanted, const KernelState& actual);

/// The first half of diff() alone: what must be added or changed so that `actual` holds all of `part`, where
/// `part` may be a small piece of a wanted state (one attachment). Cost: size of `part` times log of
/// `actual`. Where a table lacks something, the operation holds the table as `part` has it: who has only a
/// piece of the table merges the rest in.
[[nodiscard]] Difference additions(const KernelState& part, const KernelState& actual);

/// The other half for a piece that is no longer wanted: removes what of `part` the kernel holds and is ours.
/// Settings and tables stay. Same cost.
[[nodiscard]] Difference removals(const KernelState& part, const KernelState& actual);

/// The command a person would type for it: "ip route add 172.16.1.0/24 via 10.0.0.20 dev eth0 proto 116".
[[nodiscard]] std::string ipCommand(const Operation& operation);

/// "add route 172.16.1.0/24 via 10.0.0.20 dev eth0"
[[nodiscard]] std::string describe(const Operation& operation);

}  // namespace twill
