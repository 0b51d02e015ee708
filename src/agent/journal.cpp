// SPDX-License-Identifier: Apache-2.0
#include "agent/journal.hpp"

namespace twill {

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

void Journal::record(Cause cause, std::span<const Operation> operations,
                     std::span<const Result<void>> results) {
  auto now = std::chrono::system_clock::now();
  // Of a large batch only the tail would survive anyway.
  std::size_t skipped = operations.size() > kKept ? operations.size() - kKept : 0;
  for (std::size_t i = 0; i < operations.size(); ++i) {
    total_++;
    if (!results[i]) failed_++;
    if (results[i] && cause == Cause::drift) repairs_++;
    if (i < skipped) continue;
    entries_.push_back({.number = total_,
                        .time = now,
                        .cause = cause,
                        .operation = operations[i],
                        .error = results[i] ? "" : results[i].error().text});
  }
  while (entries_.size() > kKept) entries_.pop_front();
}

}  // namespace twill
