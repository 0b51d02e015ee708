// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "net/address.hpp"

namespace twill {

/// A container's link at a bridge, as bpf/tunnel_port.bpf.c is to know it. Links by index, so that one that
/// was made again is another one.
struct ContainerPort {
  int tunnel = 0;  ///< what came out of this device and
  int bridge = 0;  ///< leaves by this one
  MacAddress mac;  ///< for this container,
  int link = 0;    ///< goes into the node's end of its veth

  auto operator<=>(const ContainerPort&) const = default;
};

}  // namespace twill
