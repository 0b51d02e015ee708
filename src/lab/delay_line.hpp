// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <random>
#include <vector>

namespace twill::lab {

/// What a cable does to each packet, in either direction.
struct Impairment {
  double loss = 0;                   ///< percent
  std::chrono::nanoseconds delay{};  ///< one way

  auto operator<=>(const Impairment&) const = default;
};

/// How many packets one direction of a cable holds at most; what is more is dropped.
inline constexpr std::size_t kMostFrames = 10'000;

/// One direction of a cable: which frames are lost, and when the others come out. In the order in which they
/// came, since all take equally long. Pure: the caller says what time it is, and never an earlier one than
/// before.
class DelayLine {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Frame = std::vector<std::uint8_t>;

  static constexpr std::size_t kMostBytes = 64U << 20U;

  /// The same seed loses the same frames.
  DelayLine(const Impairment& impairment, std::uint32_t seed);

  /// Takes the frame in; it may be lost, or find no room.
  void enter(Frame frame, Time now);
  /// The first frame whose time has come; nothing before.
  [[nodiscard]] std::optional<Frame> leave(Time now);
  /// When the next frame comes out; nothing when none is inside.
  [[nodiscard]] std::optional<Time> due() const;

 private:
  struct Held {
    Time due;
    Frame frame;
  };
  std::chrono::nanoseconds delay_;
  std::uint64_t lostBelow_;  ///< of 2^32: a frame whose number is below is lost
  std::mt19937 numbers_;
  std::deque<Held> held_;
  std::size_t bytes_ = 0;  ///< of all frames inside
};

}  // namespace twill::lab
