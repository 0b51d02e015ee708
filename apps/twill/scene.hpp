// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "trace/diagram.hpp"
#include "trace/network.hpp"

namespace twill {

/// What trace and diagram look at: a lab, or this node and its containers.
struct Scene {
  trace::Network network;
  std::size_t here = 0;  ///< the place that "this node" means: the node itself, in a lab node1
  trace::DiagramLabels labels;
};

/// `lab` names a lab, or is empty: this node if an agent runs here, else the lab "lab" if that is up, else
/// this node without its containers. Opening a lab is for good, see lab::Lab.
[[nodiscard]] Result<Scene> openScene(const std::string& lab);

}  // namespace twill
