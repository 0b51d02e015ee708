// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "base/fd.hpp"
#include "lab/delay_line.hpp"
#include "lab/topology.hpp"

/// The two ends that the shaper has of a node's cable: where frames come out of the kernel, and go back into
/// it. A frame is a virtio_net header of 10 bytes, which says what is left to do of its checksum, and an
/// Ethernet frame.
namespace twill::lab {

struct ShapedCable {
  Fd node;    ///< packet socket on the veth to the node; not blocking
  Fd bridge;  ///< TAP device that is a port of the segment's bridge; not blocking
};

/// In the calling thread's network namespace, which is "wire" with the state of CableEnd::shaper. The TAP
/// device goes with its descriptor.
[[nodiscard]] Result<ShapedCable> openShapedCable(const NodePlan& node, const SegmentPlan& segment);

struct Arrival {
  std::optional<DelayLine::Frame> frame;
  bool broken = false;  ///< none will ever come again: the device is gone
};
/// The next frame that waits. One that is too long, or an interface that is down, is the same as none.
[[nodiscard]] Arrival receiveFromNode(const Fd& node);
[[nodiscard]] Arrival receiveFromBridge(const Fd& bridge);

/// To either end. One that the kernel does not take now is lost, as on any cable.
void sendTo(const Fd& end, const DelayLine::Frame& frame);

}  // namespace twill::lab
