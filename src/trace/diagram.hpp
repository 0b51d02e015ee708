// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "trace/network.hpp"

namespace twill::trace {

/// What a Network does not say about itself. An empty label is left out.
struct DiagramLabels {
  std::string title;      ///< heading, for example the lab's name
  std::string backend;    ///< "host-gw"
  std::string datastore;  ///< "file"
  std::string network;    ///< "172.16.0.0/16"
};

/// The network as a picture: an SVG document that needs nothing besides itself. Segments and routers, nodes
/// with their bridges, containers and routes; what is down or has no carrier is red and dashed. Made from the
/// values alone: the same network gives the same bytes. Any text may come in, well-formed XML comes out.
///
/// Each box carries its place's name in `data-place`. What had to be cut short is there in full as a tooltip.
[[nodiscard]] std::string toSvg(const Network& network, const DiagramLabels& labels);

}  // namespace twill::trace
