// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/fd.hpp"
#include "lab/delay_line.hpp"
#include "lab/shaped_cable.hpp"
#include "lab/topology.hpp"

namespace twill::lab {

/// All nodes' cables of a lab whose kernel has no netem: takes each frame that comes out of one end, and puts
/// it into the other when its DelayLine says so. One thread.
class Shaper {
 public:
  /// Joins the nodes to their segments; nothing passes before run(). In the network namespace "wire", with
  /// the state of CableEnd::shaper. Its descriptors may be handed on by fork().
  [[nodiscard]] static Result<Shaper> open(const Topology& topology, const Impairment& impairment);

  /// The life of the lab's process for this; an error is what kept it from going on.
  [[nodiscard]] Result<void> run();

 private:
  struct Cable {
    std::string node;
    ShapedCable ends;
    DelayLine toBridge;
    DelayLine toNode;
  };
  [[nodiscard]] Result<void> watch();
  void collect(std::uint32_t end);
  /// Sends what is due; the result is when the next will be, the clock's start when nothing waits.
  [[nodiscard]] DelayLine::Time deliver();
  void wakeAt(DelayLine::Time time);

  std::vector<Cable> cables_;
  Fd epoll_;
  Fd timer_;
  DelayLine::Time wake_;  ///< what the timer is set to
};

}  // namespace twill::lab
