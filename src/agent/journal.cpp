// SPDX-License-Identifier: Apache-2.0
#include "agent/journal.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace twill {

namespace {

/// Elements of a set that are kept; the rest is counted.
constexpr std::size_t kElements = 20;

/// A firewall's set holds every node of the cluster: a thousand copies of it would be the agent's whole
/// memory many times over.
Operation shortened(const Operation& operation) {
  const auto* table = std::get_if<Firewall>(&operation.object);
  if (table == nullptr) return operation;
  Firewall kept{.table = table->table, .chains = table->chains, .owner = table->owner};
  for (const auto& [name, set] : table->sets) {
    auto& into = kept.sets[name];
    into = {.type = set.type, .flags = set.flags, .apart = set.apart, .declared = set.declared};
    auto end = set.elements.begin() + static_cast<std::ptrdiff_t>(std::min(kElements, set.elements.size()));
    into.elements.assign(set.elements.begin(), end);
    if (end != set.elements.end())
      into.elements.push_back(fmt::format("and {} more", set.elements.end() - end));
  }
  return {.verb = operation.verb, .object = std::move(kept)};
}

}  // namespace

std::string_view textOf(Cause cause) {
  switch (cause) {
    case Cause::start:
      return "start";
    case Cause::cluster:
      return "cluster";
    case Cause::attachment:
      return "attachment";
    case Cause::drift:
      return "drift";
    case Cause::retry:
      return "retry";
  }
  return "";
}

void Journal::record(std::span<const Cause> causes, std::span<const Operation> operations,
                     std::span<const Result<void>> results) {
  auto now = std::chrono::system_clock::now();
  // Of a large batch only the tail would survive anyway.
  std::size_t skipped = operations.size() > kKept ? operations.size() - kKept : 0;
  for (std::size_t i = 0; i < operations.size(); ++i) {
    total_++;
    if (!results[i]) failed_++;
    if (results[i] && causes[i] == Cause::drift) repairs_++;
    if (i < skipped) continue;
    entries_.push_back({.number = total_,
                        .time = now,
                        .cause = causes[i],
                        .operation = shortened(operations[i]),
                        .error = results[i] ? "" : results[i].error().text});
  }
  while (entries_.size() > kKept) entries_.pop_front();
}

}  // namespace twill
