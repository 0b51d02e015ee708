// SPDX-License-Identifier: Apache-2.0
#include "trace/diagram_metrics.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace twill::trace::diagram {
namespace {

constexpr int kLeastContainerWidth = 104;
constexpr int kMostNameWidth = 232;
constexpr int kMostAddressWidth = 290;    ///< 43 characters, the longest IPv6 prefix
constexpr int kMostStretchedWidth = 290;  ///< of a container where a card has room to spare
constexpr int kMostCardWidth = 480;       ///< unless the containers need more
constexpr int kMostDstWidth = 190;
constexpr std::size_t kMostAddresses = 4;  ///< of a container

std::size_t mostContainersOf(const Card& card) {
  std::size_t most = 0;
  for (const Group& group : card.groups) most = std::max(most, group.containers.size());
  return most;
}

int widthOf(const ContainerBox& container) {
  int width = std::min(widthOf(container.name, Font::smallName), kMostNameWidth);
  width = std::max(width, widthOf(container.hostLink, Font::smallCode));
  width = std::max(width, widthOf(container.fault, Font::smallCode));
  for (const auto& line : linesOf(container)) width = std::max(width, widthOf(line, Font::code));
  return std::min(width, kMostAddressWidth) + 2 * kContainerPad;
}

int widthOf(const LinkLine& line) {
  int width = 0;
  for (const auto& text : linesOf(line)) width = std::max(width, widthOf(text, Font::code));
  return line.fault.empty() ? width : width + kGap + widthOf(line.fault, Font::code);
}

int widthOf(const Group& group) {
  int width = 0;
  for (const auto& line : linesOf(group)) width = std::max(width, widthOf(line, Font::code));
  if (!group.fault.empty()) width += kGap + widthOf(group.fault, Font::code);
  return 2 * kContainerPad + widthOf(titleOf(group), Font::codeBold) + kGap + width;
}

/// Two columns in any case; more while there is room. The rows are as equal as can be.
int columnsFor(int containers, int room, int width) {
  if (containers == 0) return 1;
  const int columns = std::max(2, (room + kGutter) / (width + kGutter));
  const int rows = (containers + columns - 1) / columns;
  return (containers + rows - 1) / rows;
}

/// What follows the route's destination.
int hopWidth(const RouteLine& route) {
  const int link = route.link.empty() ? 0 : kGap + std::min(widthOf(route.link, Font::code), kMostLinkWidth);
  return widthOf("→ " + route.hop, Font::code) + link;
}

/// Between the card's pads.
int innerWidth(const Card& card, const Metrics& metrics) {
  int width = std::max(widthOf(card.place, Font::name), card.routes.empty() ? 0 : metrics.routeWidth);
  for (const LinkLine& line : card.links) width = std::max(width, linkWidth(card) + widthOf(line));
  for (const Group& group : card.groups) width = std::max(width, widthOf(group));
  return width;
}

}  // namespace

int linkWidth(const Card& card) {
  int width = 0;
  for (const LinkLine& line : card.links) width = std::max(width, widthOf(line.link, Font::code));
  return std::min(width, kMostLinkWidth) + kGap;
}

std::vector<std::string> linesOf(const LinkLine& line) {
  std::vector<std::string> out = line.addresses;
  if (!line.leadsTo.empty()) out.push_back("to " + line.leadsTo);
  return out;
}

std::string titleOf(const Group& group) {
  if (!group.bridge.empty()) return group.bridge;
  const bool cabled = std::any_of(group.containers.begin(), group.containers.end(),
                                  [](const ContainerBox& container) { return !container.hostLink.empty(); });
  return cabled ? "no bridge" : "not connected";
}

std::vector<std::string> linesOf(const Group& group) {
  const bool well = std::all_of(group.containers.begin(), group.containers.end(),
                                [](const ContainerBox& container) { return container.fault.empty(); });
  if (group.bridge.empty() && well) return {"a route to each"};
  return group.addresses;
}

std::vector<std::string> linesOf(const ContainerBox& container) {
  const auto& addresses = container.addresses;
  if (addresses.size() <= kMostAddresses) return addresses;
  std::vector<std::string> out(addresses.begin(), addresses.begin() + kMostAddresses - 1);
  out.push_back(fmt::format("... and {} more", addresses.size() - out.size()));
  return out;
}

Metrics metricsOf(const std::vector<const Card*>& cards, int containerRoom, int leastCardWidth) {
  Metrics metrics;
  metrics.containerWidth = kLeastContainerWidth;
  int hops = 0;
  std::size_t most = 0;
  for (const Card* card : cards) {
    most = std::max(most, mostContainersOf(*card));
    for (const RouteLine& route : card->routes) {
      metrics.dstWidth = std::max(metrics.dstWidth, widthOf(route.dst, Font::code));
      hops = std::max(hops, hopWidth(route));
    }
    for (const Group& group : card->groups) {
      for (const ContainerBox& container : group.containers) {
        metrics.containerWidth = std::max(metrics.containerWidth, widthOf(container));
        metrics.containerLines =
            std::max(metrics.containerLines, static_cast<int>(linesOf(container).size()));
      }
    }
  }
  metrics.dstWidth = std::min(metrics.dstWidth, kMostDstWidth);
  metrics.routeWidth = kGap + metrics.dstWidth + kGap + hops;
  metrics.columns = columnsFor(static_cast<int>(most), containerRoom, metrics.containerWidth);
  int inner = 0;
  for (const Card* card : cards) inner = std::max(inner, innerWidth(*card, metrics));
  const int gutters = (metrics.columns - 1) * kGutter;
  metrics.cardWidth = std::max({std::min(inner + 2 * kPad, kMostCardWidth), leastCardWidth,
                                metrics.columns * metrics.containerWidth + gutters + 2 * kPad});
  const int stretched = (metrics.cardWidth - 2 * kPad - gutters) / metrics.columns;
  metrics.containerWidth = std::min(std::max(metrics.containerWidth, kMostStretchedWidth), stretched);
  return metrics;
}

}  // namespace twill::trace::diagram
