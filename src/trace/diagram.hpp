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
/// with their bridges, containers and routes (main table, without those that follow from an address). What is
/// down, has no carrier, or has no route to it is red and dashed. Made from the values alone: the same
/// network gives the same bytes. Any text may come in, well-formed XML comes out.
///
/// Each node's, router's and container's box carries the place's name in `data-place`. What had to be cut
/// short is there in full as a tooltip; routes beyond 30 in a node and addresses beyond 4 in a container are
/// counted. A node is drawn at its first segment; where its other cables lead is said in words.
[[nodiscard]] std::string toSvg(const Network& network, const DiagramLabels& labels);

}  // namespace twill::trace
