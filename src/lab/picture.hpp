// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "lab/connectivity.hpp"

namespace twill::lab {

/// What `lab status` shows of a machine.
struct MachineView {
  std::string name;
  int segment = 0;
  bool ready = false;                ///< its agent says so; a router has none and is always ready
  std::vector<std::string> uplinks;  ///< "eth0 10.0.0.10/24"
  std::string bridge;                ///< "twill0 172.16.0.1/24"; empty without one
  struct Container {
    std::string name;
    std::string addresses;
  };
  std::vector<Container> containers;
};

/// The machines as boxes on the segments that join them, at most `width` columns wide; for terminals and
/// READMEs. `segments` are labels: "seg1 10.0.0.0/24". A router, last of the machines, hangs under all
/// segments.
[[nodiscard]] std::string picture(const std::vector<MachineView>& nodes, const MachineView* router,
                                  const std::vector<std::string>& segments, std::size_t width,
                                  const Paint& paint);

}  // namespace twill::lab
