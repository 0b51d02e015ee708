// SPDX-License-Identifier: Apache-2.0
#include "lab/shaper.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

namespace twill::lab {
namespace {

using Clock = std::chrono::steady_clock;

/// What epoll calls the timer; cable i has its node's end under 2i and the bridge's under 2i + 1.
constexpr std::uint32_t kTimer = UINT32_MAX;

/// The same cable of the same lab loses the same packets each time.
std::uint32_t seedOf(const std::string& way) {
  return static_cast<std::uint32_t>(std::hash<std::string>{}(way));
}

void release(DelayLine& line, const Fd& to, DelayLine::Time now, DelayLine::Time& next) {
  while (const auto frame = line.leave(now)) sendTo(to, *frame);
  const auto due = line.due();
  if (due && (next == DelayLine::Time() || *due < next)) next = *due;
}

}  // namespace

Result<Shaper> Shaper::open(const Topology& topology, const Impairment& impairment) {
  Shaper shaper;
  for (const NodePlan& node : topology.nodes) {
    const SegmentPlan& segment = topology.segments[static_cast<std::size_t>(node.segment)];
    auto ends = openShapedCable(node, segment);
    if (!ends) {
      return Failure(std::move(ends).error().in("--loss and --delay of " + node.name +
                                                "'s cable, without netem (sch_netem) in this kernel"));
    }
    shaper.cables_.push_back({.node = node.name,
                              .ends = std::move(*ends),
                              .toBridge = DelayLine(impairment, seedOf(node.name + " sends")),
                              .toNode = DelayLine(impairment, seedOf(node.name + " receives"))});
  }
  TWILL_CHECK(shaper.watch());
  return shaper;
}

Result<void> Shaper::watch() {
  epoll_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
  timer_ = Fd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!epoll_ || !timer_) return failErrno("set the shaper up");
  auto add = [this](const Fd& fd, std::uint32_t name) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u32 = name;
    return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event) == 0;
  };
  bool all = add(timer_, kTimer);
  for (std::uint32_t i = 0; i < cables_.size(); ++i) {
    all = all && add(cables_[i].ends.node, 2 * i) && add(cables_[i].ends.bridge, 2 * i + 1);
  }
  if (!all) return failErrno("watch the cables");
  return {};
}

Result<void> Shaper::run() {
  for (;;) {
    std::array<epoll_event, 64> events{};
    const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), -1);
    if (count < 0 && errno != EINTR) return failErrno("wait for frames");
    for (int i = 0; i < count; ++i) {
      const std::uint32_t name = events[static_cast<std::size_t>(i)].data.u32;
      std::uint64_t expirations = 0;
      if (name != kTimer) {
        collect(name);
      } else if (::read(timer_.get(), &expirations, sizeof expirations) > 0) {
        wake_ = {};
      }
    }
    wakeAt(deliver());
  }
}

void Shaper::collect(std::uint32_t end) {
  constexpr int kAtOnce = 64;  // then the others have their turn
  Cable& cable = cables_[end / 2];
  const bool fromNode = end % 2 == 0;
  for (int i = 0; i < kAtOnce; ++i) {
    Arrival arrival = fromNode ? receiveFromNode(cable.ends.node) : receiveFromBridge(cable.ends.bridge);
    if (arrival.broken) {
      const Fd& gone = fromNode ? cable.ends.node : cable.ends.bridge;
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, gone.get(), nullptr);
      fmt::print(stderr, "{}'s cable is broken: somebody deleted its interface in \"wire\"\n", cable.node);
    }
    if (!arrival.frame) return;
    (fromNode ? cable.toBridge : cable.toNode).enter(std::move(*arrival.frame), Clock::now());
  }
}

DelayLine::Time Shaper::deliver() {
  const auto now = Clock::now();
  DelayLine::Time next;
  for (Cable& cable : cables_) {
    release(cable.toBridge, cable.ends.bridge, now, next);
    release(cable.toNode, cable.ends.node, now, next);
  }
  return next;
}

void Shaper::wakeAt(DelayLine::Time time) {
  if (time == wake_) return;
  wake_ = time;
  const auto since = time.time_since_epoch();  // of steady_clock, which is CLOCK_MONOTONIC
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since);
  itimerspec setting{};  // zero turns it off
  setting.it_value.tv_sec = seconds.count();
  setting.it_value.tv_nsec = std::chrono::nanoseconds(since - seconds).count();
  ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &setting, nullptr);
}

}  // namespace twill::lab
