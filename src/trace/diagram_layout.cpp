// SPDX-License-Identifier: Apache-2.0
#include "trace/diagram_layout.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "trace/diagram_place.hpp"

namespace twill::trace::diagram {
namespace {

constexpr int kMargin = 28;
constexpr int kHeader = 68;
constexpr int kLegend = 14;       ///< from what is above the legend to its baseline
constexpr int kFooter = 22;       ///< below the legend
constexpr int kLeastWidth = 640;  ///< of the segments, so that the header fits
constexpr int kPanelPad = 24;     ///< left of it is room for the line that joins a segment's rows
constexpr int kPanelGap = 20;     ///< between two segments
constexpr int kBusAt = 44;        ///< from a segment's upper edge
constexpr int kBusInset = 12;
constexpr int kCable = 34;    ///< from the bus to the node
constexpr int kCardGap = 20;  ///< between two nodes side by side
constexpr int kRowGap = 24;
constexpr int kRouterCable = 64;     ///< from a router to what is right of it
constexpr int kRouterOverhang = 26;  ///< a router sticks out above its first cable
constexpr int kRouterLane = 16;      ///< between two cables that go down from it

/// How many nodes stand side by side: four at most, and rows as equal as can be.
int nodesPerRow(const Content& content) {
  std::size_t most = 1;
  for (const SegmentBus& segment : content.segments) most = std::max(most, segment.nodes.size());
  const std::size_t rows = (most + 3) / 4;
  return static_cast<int>((most + rows - 1) / rows);
}

class Page {
 public:
  Page(const Content& content, const DiagramLabels& labels) : content_(content), labels_(labels) {}

  Picture take() {
    measure();
    int y = kMargin + kHeader;
    for (const SegmentBus& segment : content_.segments) y = placeSegment(segment, y) + kPanelGap;
    y = std::max(y, placeRouters() + kPanelGap);
    out_.width = panelX_ + panelWidth_ + kMargin;
    out_.height = y + kLegend + kFooter;
    placeHeader();
    placeLegend(y + kLegend);
    out_.description = descriptionOf(content_);
    return std::move(out_);
  }

 private:
  void measure() {
    std::vector<const Card*> nodes;
    std::vector<const Card*> routers;
    for (const SegmentBus& segment : content_.segments) {
      for (const Card& node : segment.nodes) nodes.push_back(&node);
    }
    for (const Card& router : content_.routers) routers.push_back(&router);
    perRow_ = nodesPerRow(content_);
    // The fewer the nodes, the more room each has for its containers.
    const int containerRoom = perRow_ == 1 ? 1000 : perRow_ == 2 ? 600 : 0;
    const int frame = 2 * kPanelPad + (perRow_ - 1) * kCardGap;
    metrics_ = metricsOf(nodes, containerRoom, (kLeastWidth - frame) / perRow_);
    routerMetrics_ = metricsOf(routers, 0, 190);
    panelX_ = kMargin;
    if (!routers.empty()) {
      const int count = static_cast<int>(routers.size());
      panelX_ += count * (routerMetrics_.cardWidth + kRouterCable);
    }
    panelWidth_ = frame + perRow_ * metrics_.cardWidth;
  }

  /// The lower edge.
  int placeSegment(const SegmentBus& segment, int top) {
    const std::size_t panel = out_.boxes.size();
    out_.boxes.push_back({.style = BoxStyle::segment,
                          .rect = {panelX_, top, panelWidth_, 0},
                          .parent = {},
                          .faulty = !segment.fault.empty(),
                          .place = {},
                          .tip = {}});
    placeSegmentLabel(segment, panel);
    busY_.push_back(top + kBusAt);
    int y = top + kBusAt;
    int bottom = y;
    for (std::size_t i = 0; i < segment.nodes.size(); i += static_cast<std::size_t>(perRow_)) {
      if (i > 0) y = bottom + kRowGap;
      placeBus(segment, y);
      const std::size_t end = std::min(segment.nodes.size(), i + static_cast<std::size_t>(perRow_));
      bottom = placeRow(segment, i, end, panel, y);
    }
    if (segment.nodes.empty()) placeBus(segment, y);
    // One segment, however many rows: a line down the side joins them.
    if (y > busY_.back()) placeLine(segment, {panelX_ + kBusInset, busY_.back()}, {panelX_ + kBusInset, y});
    out_.boxes[panel].rect.height = bottom + kPanelPad - top;
    return bottom + kPanelPad;
  }

  void placeSegmentLabel(const SegmentBus& segment, std::size_t panel) {
    const Rect& rect = out_.boxes[panel].rect;
    int x = rect.x + kBusInset;
    const int y = rect.y + 26;
    const int end = rect.right() - kPanelPad;
    const auto put = [&](Font font, Ink ink, const std::string& text) {
      if (end - x < 20) return;
      write(out_, {.font = font, .ink = ink, .at = {x, y}, .text = text, .tip = {}, .box = panel}, end - x);
      x += widthOf(text, font) + 14;
    };
    put(Font::codeBold, segment.fault.empty() ? Ink::normal : Ink::fault, segment.name);
    if (!segment.fault.empty()) put(Font::code, Ink::fault, segment.fault);
    for (const auto& prefix : segment.prefixes) put(Font::code, Ink::normal, prefix);
    if (segment.kind == SegmentBus::Kind::outside) put(Font::code, Ink::dim, "not looked at");
  }

  void placeLine(const SegmentBus& segment, Point from, Point to) {
    if (segment.kind == SegmentBus::Kind::none) return;
    const auto style = segment.kind == SegmentBus::Kind::known ? LineStyle::bus : LineStyle::outside;
    out_.lines.push_back({style, {from, to}, !segment.fault.empty()});
  }

  void placeBus(const SegmentBus& segment, int y) {
    placeLine(segment, {panelX_ + kBusInset, y}, {panelX_ + panelWidth_ - kBusInset, y});
  }

  /// The nodes from `begin` to before `end`, under their bus at `y`. The answer is their lower edge.
  int placeRow(const SegmentBus& segment, std::size_t begin, std::size_t end, std::size_t panel, int y) {
    std::vector<std::size_t> boxes;
    int bottom = 0;
    for (std::size_t i = begin; i < end; ++i) {
      const Card& node = segment.nodes[i];
      const int x = panelX_ + kPanelPad + static_cast<int>(i - begin) * (metrics_.cardWidth + kCardGap);
      boxes.push_back(placeCard(out_, node, metrics_, BoxStyle::node, {x, y + kCable}));
      Box& box = out_.boxes[boxes.back()];
      box.parent = panel;
      bottom = std::max(bottom, box.rect.bottom());
      if (!node.uplinks.empty()) placeCable(node.uplinks.front(), {x + metrics_.cardWidth / 2, y}, panel);
    }
    for (const std::size_t box : boxes) out_.boxes[box].rect.height = bottom - out_.boxes[box].rect.y;
    return bottom;
  }

  void placeCable(const Uplink& uplink, Point at, std::size_t panel) {
    const bool faulty = !uplink.fault.empty();
    out_.lines.push_back({LineStyle::cable, {at, {at.x, at.y + kCable}}, faulty});
    out_.dots.push_back({at, faulty});
    write(out_,
          {.font = Font::smallCode,
           .ink = faulty ? Ink::fault : Ink::dim,
           .at = {at.x + 8, at.y + 22},
           .text = faulty ? uplink.fault : uplink.link,
           .tip = {},
           .box = panel},
          metrics_.cardWidth / 2 - 8);
  }

  /// The lower edge of the lowest.
  int placeRouters() {
    int bottom = 0;
    int x = kMargin;
    for (const Card& router : content_.routers) {
      int top = kMargin + kHeader;
      if (!router.uplinks.empty()) top = busY_[router.uplinks.front().segment] - kRouterOverhang;
      const std::size_t box = placeCard(out_, router, routerMetrics_, BoxStyle::router, {x, top});
      const Rect rect = out_.boxes[box].rect;
      bottom = std::max(bottom, rect.bottom());
      for (std::size_t i = 0; i < router.uplinks.size(); ++i) {
        const int lane = rect.right() - kRouterLane * static_cast<int>(i);
        placeRouterCable(router.uplinks[i], rect, std::max(lane, rect.x + 2));
      }
      x += routerMetrics_.cardWidth + kRouterCable;
    }
    return bottom;
  }

  /// Straight to the right where the bus is beside the router, else down from it and round the corner. The
  /// lower the bus, the further left it goes down, so that none cross.
  void placeRouterCable(const Uplink& uplink, const Rect& router, int lane) {
    const int y = busY_[uplink.segment];
    const bool faulty = !uplink.fault.empty();
    const Point plug{panelX_ + kBusInset, y};
    if (y < router.bottom() - kRouterOverhang / 2) {
      out_.lines.push_back({LineStyle::cable, {{router.right(), y}, plug}, faulty});
    } else {
      out_.lines.push_back({LineStyle::cable, {{lane, router.bottom()}, {lane, y}, plug}, faulty});
    }
    out_.dots.push_back({plug, faulty});
    write(out_,
          {.font = Font::smallCode,
           .ink = faulty ? Ink::fault : Ink::dim,
           .at = {router.right() + 8, y - 7},
           .text = faulty ? uplink.fault : uplink.link,
           .tip = {},
           .box = {}},
          kRouterCable - 10);
  }

  void placeHeader() {
    out_.title = labels_.title.empty() ? "Container network" : labels_.title;
    const bool faulty = !content_.faults.empty();
    const std::string state = faulty ? counted(content_.faults.size(), "fault") : "no faults seen";
    const int end = out_.width - kMargin;
    const int stateWidth = widthOf(state, Font::label);
    write(out_,
          {.font = Font::label,
           .ink = faulty ? Ink::fault : Ink::ours,
           .anchor = Anchor::end,
           .at = {end, kMargin + 18},
           .text = state,
           .tip = faulty ? fmt::format("{}", fmt::join(content_.faults, "\n")) : "",
           .box = {}},
          stateWidth);
    write(out_,
          {.font = Font::heading, .at = {kMargin, kMargin + 18}, .text = out_.title, .tip = {}, .box = {}},
          end - kMargin - stateWidth - 20);
    std::vector<std::string> parts;
    for (const auto* label : {&labels_.backend, &labels_.datastore, &labels_.network}) {
      if (!label->empty()) parts.push_back(*label);
    }
    parts.push_back(sizeOf(content_));
    write(out_,
          {.font = Font::label,
           .ink = Ink::dim,
           .at = {kMargin, kMargin + 42},
           .text = fmt::format("{}", fmt::join(parts, "  ·  ")),
           .tip = {},
           .box = {}},
          end - kMargin);
  }

  void placeLegend(int y) {
    int x = kMargin;
    const auto put = [&](LineStyle style, bool faulty, const std::string& text) {
      if (style == LineStyle::routeMark) {
        out_.lines.push_back({style, {{x + 8, y - 10}, {x + 8, y + 1}}, faulty});
      } else {
        out_.lines.push_back({style, {{x, y - 4}, {x + 18, y - 4}}, faulty});
      }
      write(out_,
            {.font = Font::label, .ink = Ink::dim, .at = {x + 26, y}, .text = text, .tip = {}, .box = {}},
            300);
      x += 26 + widthOf(text, Font::label) + 24;
    };
    put(LineStyle::routeMark, false, "route made by Twill");
    put(LineStyle::cable, false, "cable");
    put(LineStyle::cable, true, "down, no carrier or no route");
  }

  const Content& content_;
  const DiagramLabels& labels_;
  Picture out_;
  Metrics metrics_;
  Metrics routerMetrics_;
  int perRow_ = 1;
  int panelX_ = 0;
  int panelWidth_ = 0;
  std::vector<int> busY_;  ///< of each segment's first row
};

}  // namespace

Picture layOut(const Content& content, const DiagramLabels& labels) {
  return Page(content, labels).take();
}

}  // namespace twill::trace::diagram
