// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "trace/walk.hpp"

namespace twill::trace {

/// How a part of a text stands out; whoever shows it decides what that looks like.
enum class Tone : std::uint8_t { good, bad, dim, bold };
using Paint = std::function<std::string(Tone, std::string_view)>;
/// For output that is no terminal.
[[nodiscard]] std::string plain(Tone tone, std::string_view text);

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
