// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "plan/objects.hpp"

namespace twill {

/// The script that makes the table `inet twill` so, whatever it was, in one transaction.
[[nodiscard]] std::string tableScript(const Firewall& wanted);

/// A script that only adds and deletes elements of sets, when that is enough to get from `actual` to
/// `wanted`.
[[nodiscard]] std::optional<std::string> elementScript(const Firewall& actual, const Firewall& wanted);

/// The script that removes the table, also when there is none.
[[nodiscard]] std::string removeScript();

/// What parseTable() will make of a table that was written as wanted.
[[nodiscard]] Firewall asRead(const Firewall& wanted);

/// Reads `nft -j list table inet twill`. Hooks come as in "type nat hook postrouting priority srcnat", with
/// "; policy drop" behind where it is not accept; elements as nft lists them, sorted; a rule as its comment.
/// What Twill never makes (a map, a rule without a comment, a dormant table) shows as an extra chain or rule,
/// so that no wanted table equals it.
[[nodiscard]] Result<Firewall> parseTable(std::string_view json);

}  // namespace twill
