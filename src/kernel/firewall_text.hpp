// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "plan/diff.hpp"

namespace twill {

/// The script that makes the table so, whatever it was, in one transaction. Of `apart` it takes along what
/// belongs to sets that are apart.
[[nodiscard]] std::string tableScript(const Firewall& wanted,
                                      const std::map<SetElementKey, SetElement>& apart = {});

/// A script that only adds chains and sets, and adds and deletes elements of sets, when that is enough to get
/// from `actual` to `wanted`.
[[nodiscard]] std::optional<std::string> changeScript(const Firewall& actual, const Firewall& wanted);

/// The script of operations on elements that are apart, in their order.
[[nodiscard]] std::string elementScript(std::span<const Operation* const> steps);

/// The script that removes the table, also when there is none.
[[nodiscard]] std::string removeScript(const std::string& table);

/// What parseTable() will make of a table that was written as wanted.
[[nodiscard]] Firewall asRead(const Firewall& wanted);

/// The packets of each counter in nft's JSON list of them.
[[nodiscard]] std::map<std::string, std::uint64_t> parseCounters(std::string_view json);

/// Family and name of all tables ("inet twill"), out of `nft -j list tables`.
[[nodiscard]] std::vector<std::string> parseTables(std::string_view json);

/// Reads `nft -j list table`, into a state that holds this table and its elements that are apart. Hooks come
/// as in "type nat hook postrouting priority srcnat", with "; policy drop" behind where it is not accept;
/// elements as nft lists them, sorted; a rule as its comment. What Twill never makes (a counter, a rule
/// without a comment, a dormant table) shows as an extra chain or rule, so that no wanted table equals it.
[[nodiscard]] Result<KernelState> parseTable(const std::string& table, std::string_view json);

}  // namespace twill
