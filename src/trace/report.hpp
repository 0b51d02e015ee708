// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/paint.hpp"
#include "trace/walk.hpp"

namespace twill::trace {

/// The road there and, unless absent, the road back. The latter is shown whole when it fails, when it leads
/// over other places, or when `full`; else in a line.
struct RoundTrip {
  Trace there;
  std::optional<Trace> back;
  bool full = false;
};

/// One block a hop, for people.
[[nodiscard]] std::string toText(const RoundTrip& trip, const Paint& paint);
/// For machines: stable keys, all of them always there.
[[nodiscard]] std::string toJson(const RoundTrip& trip);

/// True when `back` passes the places of `there` the other way round.
[[nodiscard]] bool isMirror(const Trace& there, const Trace& back);

}  // namespace twill::trace
