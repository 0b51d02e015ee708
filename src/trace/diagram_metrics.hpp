// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "trace/diagram_content.hpp"
#include "trace/diagram_picture.hpp"

/// How large the parts of a card are: what measuring and placing must agree on. All lengths in px.
namespace twill::trace::diagram {

inline constexpr int kPad = 14;
inline constexpr int kGap = 10;     ///< between two columns of text
inline constexpr int kGutter = 20;  ///< between two columns of containers
inline constexpr int kContainerPad = 9;
inline constexpr int kMostLinkWidth = 110;

/// Sizes that all cards of a picture share, so that they line up.
struct Metrics {
  int columns = 1;  ///< of containers
  int containerWidth = 0;
  int containerLines = 1;  ///< addresses
  int dstWidth = 0;        ///< of a route's first part
  int routeWidth = 0;
  int cardWidth = 0;
};

/// Wide enough for the longest of each, up to a limit. Containers stand side by side as far as
/// `containerRoom` goes, two of them always.
[[nodiscard]] Metrics metricsOf(const std::vector<const Card*>& cards, int containerRoom, int leastCardWidth);

/// Of the first column in a card's list of links, the gap after it included.
[[nodiscard]] int linkWidth(const Card& card);

/// Its addresses, and where it leads.
[[nodiscard]] std::vector<std::string> linesOf(const LinkLine& line);

/// What stands in front of a group's addresses.
[[nodiscard]] std::string titleOf(const Group& group);
/// Its addresses; for one without a bridge what is there in place of it.
[[nodiscard]] std::vector<std::string> linesOf(const Group& group);

/// A container's addresses, the last one replaced by "... and N more" where there are many.
[[nodiscard]] std::vector<std::string> linesOf(const ContainerBox& container);

}  // namespace twill::trace::diagram
