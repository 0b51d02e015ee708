// SPDX-License-Identifier: Apache-2.0
#include "trace/diagram_place.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace twill::trace::diagram {
namespace {

constexpr int kLine = 16;
constexpr int kSmallLine = 15;     ///< inside a container
constexpr int kTitleAt = 26;       ///< baseline of a card's name
constexpr int kSection = 12;       ///< between two parts of a card
constexpr int kContainerGap = 10;  ///< between two rows of containers
constexpr int kDrop = 18;          ///< from the bridge to the first row
constexpr int kRouteGutter = 28;   ///< between two columns of routes
constexpr int kRouteSpare = 40;    ///< what a column of routes may be wider than it must
constexpr std::size_t kMostRoutes = 30;
constexpr std::size_t kLeastRouteRows = 5;  ///< before a second column is begun

class CardPlacer {
 public:
  CardPlacer(Picture& out, const Card& card, const Metrics& metrics, std::size_t box)
      : out_(out), card_(card), metrics_(metrics), box_(box) {
    const Rect& rect = out.boxes[box].rect;
    left_ = rect.x + kPad;
    width_ = rect.width - 2 * kPad;
    y_ = rect.y;
  }

  /// The height that was needed.
  int place() {
    y_ += kTitleAt;
    put({.font = Font::name, .at = {left_, y_}, .text = card_.place}, width_);
    for (const LinkLine& line : card_.links) placeLink(line);
    y_ += kSection;
    for (const Group& group : card_.groups) placeGroup(group);
    if (!card_.routes.empty()) placeRoutes();
    return y_ - out_.boxes[box_].rect.y;
  }

 private:
  void put(Text text, int width) {
    text.box = text.box.value_or(box_);
    write(out_, std::move(text), width);
  }

  void placeLink(const LinkLine& line) {
    y_ += y_ == out_.boxes[box_].rect.y + kTitleAt ? kLine + 4 : kLine;
    const int first = linkWidth(card_);
    const bool faulty = !line.fault.empty();
    put({.ink = faulty ? Ink::fault : Ink::dim, .at = {left_, y_}, .text = line.link, .tip = line.tip},
        first - kGap);
    // Its name stands at the left already.
    const bool named = line.fault.starts_with(line.link + " ");
    const std::string fault = named ? line.fault.substr(line.link.size() + 1) : line.fault;
    const int faultWidth = std::min(widthOf(fault, Font::code), width_ - first);
    if (faulty) {
      put({.ink = Ink::fault, .anchor = Anchor::end, .at = {left_ + width_, y_}, .text = fault}, faultWidth);
    }
    const auto lines = linesOf(line);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      if (i > 0) y_ += kLine;
      put({.at = {left_ + first, y_}, .text = lines[i]}, width_ - first - (faulty ? faultWidth + kGap : 0));
    }
  }

  void placeGroup(const Group& group) {
    const auto lines = linesOf(group);
    const int count = std::max(1, static_cast<int>(lines.size()));
    const Rect bar{left_, y_, width_, count * kLine + 10};
    const std::size_t box = out_.boxes.size();
    const bool routed = group.bridge.empty();
    const bool faulty = !group.fault.empty();
    out_.boxes.push_back({.style = routed ? BoxStyle::noBridge : BoxStyle::bridge,
                          .rect = bar,
                          .parent = box_,
                          .faulty = faulty,
                          .place = card_.place,
                          .tip = {}});
    const Ink ink = faulty ? Ink::fault : routed ? Ink::dim : Ink::normal;
    const std::string title = titleOf(group);
    const int titleWidth = std::min(widthOf(title, Font::codeBold), kMostLinkWidth);
    const int end = bar.right() - kContainerPad;
    int x = left_ + kContainerPad;
    int y = y_ + 17;
    put({.font = Font::codeBold, .ink = ink, .at = {x, y}, .text = title, .box = box}, titleWidth);
    x += titleWidth + kGap;
    int room = end - x;
    if (faulty) {
      const int width = std::min(widthOf(group.fault, Font::code), room);
      put({.ink = ink, .anchor = Anchor::end, .at = {end, y}, .text = group.fault, .box = box}, width);
      room -= width + kGap;
    }
    for (const auto& line : lines) {
      put({.ink = routed ? Ink::dim : Ink::normal, .at = {x, y}, .text = line, .box = box}, room);
      y += kLine;
    }
    y_ = bar.bottom();
    if (!group.containers.empty()) placeContainers(group);
    y_ += kSection + 2;
  }

  /// One row hangs straight from the bar; several hang from trunks between each two columns.
  void placeContainers(const Group& group) {
    const int count = static_cast<int>(group.containers.size());
    const int columns = std::min(metrics_.columns, count);
    const int rows = (count + columns - 1) / columns;
    const int height = 40 + metrics_.containerLines * kSmallLine;
    const int top = y_ + kDrop;
    const bool barFaulty = !group.fault.empty();
    std::map<int, int> trunks;  // x, and how far down
    for (int i = 0; i < count; ++i) {
      const int column = i % columns;
      const Rect rect{left_ + column * (metrics_.containerWidth + kGutter),
                      top + i / columns * (height + kContainerGap), metrics_.containerWidth, height};
      const ContainerBox& container = group.containers[static_cast<std::size_t>(i)];
      placeContainer(container, rect);
      if (container.hostLink.empty()) continue;
      const bool faulty = barFaulty || !container.fault.empty();
      if (rows == 1) {
        const int x = rect.x + rect.width / 2;
        out_.lines.push_back({LineStyle::drop, {{x, y_}, {x, rect.y}}, faulty});
        continue;
      }
      const bool leftOfTrunk = column % 2 == 0 && (column + 1 < columns || columns == 1);
      const int trunk = leftOfTrunk ? rect.right() + kGutter / 2 : rect.x - kGutter / 2;
      const int y = rect.y + rect.height / 2;
      trunks[trunk] = y;
      out_.lines.push_back({LineStyle::drop, {{trunk, y}, {leftOfTrunk ? rect.right() : rect.x, y}}, faulty});
    }
    for (const auto& [x, end] : trunks) {
      out_.lines.push_back({LineStyle::drop, {{x, y_}, {x, end}}, barFaulty});
    }
    y_ = top + rows * (height + kContainerGap) - kContainerGap;
  }

  void placeContainer(const ContainerBox& container, const Rect& rect) {
    const std::size_t box = out_.boxes.size();
    const bool faulty = !container.fault.empty();
    out_.boxes.push_back(
        {.style = BoxStyle::container,
         .rect = rect,
         .parent = box_,
         .faulty = faulty,
         .place = container.place,
         .tip = fmt::format("{}\n{}", container.place, fmt::join(container.addresses, "\n"))});
    const int x = rect.x + kContainerPad;
    const int room = rect.width - 2 * kContainerPad;
    put({.font = Font::smallName, .at = {x, rect.y + 18}, .text = container.name, .box = box}, room);
    put({.font = Font::smallCode,
         .ink = faulty ? Ink::fault : Ink::dim,
         .at = {x, rect.y + 31},
         .text = faulty ? container.fault : container.hostLink,
         .box = box},
        room);
    int y = rect.y + 32;
    for (const auto& line : linesOf(container)) {
      y += kSmallLine;
      put({.at = {x, y}, .text = line, .box = box}, room);
    }
  }

  /// In as many columns as there is room for, read downwards.
  void placeRoutes() {
    out_.lines.push_back({LineStyle::rule, {{left_, y_}, {left_ + width_, y_}}, false});
    y_ += 4;
    const std::size_t count = std::min(card_.routes.size(), kMostRoutes);
    const int room = std::max(1, (width_ + kRouteGutter) / (metrics_.routeWidth + kRouteGutter));
    const std::size_t columns =
        std::min(static_cast<std::size_t>(room), (count + kLeastRouteRows - 1) / kLeastRouteRows);
    const std::size_t rows = (count + columns - 1) / columns;
    const int across = static_cast<int>(columns);
    const int width =
        std::min((width_ - (across - 1) * kRouteGutter) / across, metrics_.routeWidth + kRouteSpare);
    for (std::size_t i = 0; i < count; ++i) {
      const Point at{left_ + static_cast<int>(i / rows) * (width + kRouteGutter),
                     y_ + static_cast<int>(i % rows + 1) * kLine};
      placeRoute(card_.routes[i], at, width);
    }
    y_ += static_cast<int>(rows) * kLine;
    if (card_.routes.size() > count) {
      y_ += kLine;
      put({.ink = Ink::dim,
           .at = {left_ + kGap, y_},
           .text = fmt::format("... and {} more", card_.routes.size() - count)},
          width_ - kGap);
    }
    y_ += kPad;
  }

  void placeRoute(const RouteLine& route, Point at, int width) {
    const Ink ink = route.dead        ? Ink::fault
                    : route.ours      ? Ink::ours
                    : route.isDefault ? Ink::normal
                                      : Ink::dim;
    const int end = at.x + width;
    if (route.ours) {
      out_.lines.push_back({LineStyle::routeMark, {{at.x + 1, at.y - 9}, {at.x + 1, at.y + 2}}, route.dead});
    }
    at.x += kGap;
    put({.ink = ink, .at = at, .text = route.dst, .tip = route.tip}, metrics_.dstWidth);
    at.x += metrics_.dstWidth + kGap;
    const int linkRoom = std::min(widthOf(route.link, Font::code), kMostLinkWidth);
    put({.ink = ink == Ink::ours ? Ink::normal : ink, .at = at, .text = "→ " + route.hop, .tip = route.tip},
        end - at.x - (linkRoom == 0 ? 0 : linkRoom + kGap));
    if (linkRoom == 0) return;
    put({.ink = route.dead ? Ink::fault : Ink::dim,
         .anchor = Anchor::end,
         .at = {end, at.y},
         .text = route.link},
        linkRoom);
  }

  Picture& out_;
  const Card& card_;
  const Metrics& metrics_;
  std::size_t box_;
  int left_ = 0;
  int width_ = 0;
  int y_ = 0;
};

}  // namespace

void write(Picture& out, Text text, int width) {
  std::string whole = std::move(text.text);
  text.text = fit(whole, text.font, width);
  if (text.tip.empty() && widthOf(whole, text.font) > width) text.tip = std::move(whole);
  out.texts.push_back(std::move(text));
}

std::size_t placeCard(Picture& out, const Card& card, const Metrics& metrics, BoxStyle style, Point at) {
  const std::size_t box = out.boxes.size();
  out.boxes.push_back({.style = style,
                       .rect = {at.x, at.y, metrics.cardWidth, 0},
                       .parent = {},
                       .faulty = false,
                       .place = card.place,
                       .tip = {}});
  const int height = CardPlacer(out, card, metrics, box).place();
  out.boxes[box].rect.height = height;
  return box;
}

}  // namespace twill::trace::diagram
