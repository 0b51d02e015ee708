// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "trace/diagram_text.hpp"

/// A picture as plain shapes: where everything is, but not in which file format. All lengths in px.
namespace twill::trace::diagram {

struct Point {
  int x = 0;
  int y = 0;
};

struct Rect {
  int x = 0;
  int y = 0;
  int width = 0;
  int height = 0;

  [[nodiscard]] int right() const { return x + width; }
  [[nodiscard]] int bottom() const { return y + height; }
};

/// In the order in which they cover each other.
enum class BoxStyle : std::uint8_t { segment, node, router, bridge, noBridge, container };

struct Box {
  BoxStyle style = BoxStyle::node;
  Rect rect;
  std::optional<std::size_t> parent;  ///< index into Picture::boxes
  bool faulty = false;
  std::string place;  ///< whose box it is; empty for a segment's
  std::string tip;
};

enum class LineStyle : std::uint8_t {
  bus,        ///< a segment
  outside,    ///< what is beyond what is known
  cable,      ///< to a segment; under the boxes
  drop,       ///< to a container; over its node's box
  rule,       ///< between two parts of a box
  routeMark,  ///< beside a route of Twill's
};

struct Line {
  LineStyle style = LineStyle::cable;
  std::vector<Point> points;
  bool faulty = false;
};

/// A plug.
struct Dot {
  Point at;
  bool faulty = false;
};

enum class Ink : std::uint8_t { normal, dim, ours, fault };
enum class Anchor : std::uint8_t { start, end };

struct Text {
  Font font = Font::code;
  Ink ink = Ink::normal;
  Anchor anchor = Anchor::start;
  Point at;  ///< on the baseline
  std::string text;
  std::string tip;
  std::optional<std::size_t> box;  ///< that it is written in
};

struct Picture {
  int width = 0;
  int height = 0;
  std::string title;
  std::string description;  ///< the picture in words
  std::vector<Box> boxes;
  std::vector<Line> lines;
  std::vector<Dot> dots;
  std::vector<Text> texts;
};

/// The px that a text covers in x.
[[nodiscard]] inline Rect extentOf(const Text& text) {
  const int width = widthOf(text.text, text.font);
  const int x = text.anchor == Anchor::end ? text.at.x - width : text.at.x;
  return {x, text.at.y - sizeOf(text.font), width, sizeOf(text.font) + 3};
}

}  // namespace twill::trace::diagram
