// SPDX-License-Identifier: Apache-2.0
#include "lab/delay_line.hpp"

#include <cmath>
#include <utility>

namespace twill::lab {

DelayLine::DelayLine(const Impairment& impairment, std::uint32_t seed)
    : delay_(impairment.delay),
      lostBelow_(static_cast<std::uint64_t>(std::llround(std::ldexp(impairment.loss / 100, 32)))),
      numbers_(seed) {}

void DelayLine::enter(Frame frame, Time now) {
  if (numbers_() < lostBelow_) return;
  if (held_.size() >= kMostFrames || bytes_ + frame.size() > kMostBytes) return;
  bytes_ += frame.size();
  held_.push_back({.due = now + delay_, .frame = std::move(frame)});
}

std::optional<DelayLine::Frame> DelayLine::leave(Time now) {
  if (held_.empty() || held_.front().due > now) return std::nullopt;
  Frame frame = std::move(held_.front().frame);
  held_.pop_front();
  bytes_ -= frame.size();
  return frame;
}

std::optional<DelayLine::Time> DelayLine::due() const {
  return held_.empty() ? std::nullopt : std::optional(held_.front().due);
}

}  // namespace twill::lab
