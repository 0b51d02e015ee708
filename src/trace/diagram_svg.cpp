// SPDX-License-Identifier: Apache-2.0
#include "trace/diagram_svg.hpp"

#include <fmt/format.h>

namespace twill::trace::diagram {
namespace {

// The background is part of the picture, so that it reads the same on a dark page.
constexpr std::string_view kStyle = R"(
.tw-diagram{background:#fff}
.tw-diagram text{font-family:Inter,"Segoe UI",system-ui,-apple-system,"Helvetica Neue",Arial,"DejaVu Sans",sans-serif;fill:#1b2733;white-space:pre;pointer-events:none}
.tw-diagram .tw-tip{pointer-events:auto}
.tw-diagram .tw-code,.tw-diagram .tw-codebold,.tw-diagram .tw-smallcode{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono","Liberation Mono",monospace}
.tw-heading{font-size:20px;font-weight:600}
.tw-name{font-size:14px;font-weight:600}
.tw-smallname{font-size:12px;font-weight:600}
.tw-label{font-size:12px}
.tw-code{font-size:11px}
.tw-codebold{font-size:11px;font-weight:600}
.tw-smallcode{font-size:10px}
.tw-end{text-anchor:end}
.tw-diagram .tw-dim{fill:#6a7785}
.tw-diagram .tw-ours{fill:#0b6e69}
.tw-diagram .tw-fault{fill:#c2282d}
.tw-diagram rect{stroke-width:1}
.tw-page{fill:#fff}
.tw-segment{fill:#f3f5f8;stroke:#e3e8ee}
.tw-node{fill:#fff;stroke:#c9d2dc}
.tw-router{fill:#fffaf0;stroke:#dcc48e}
.tw-bridge{fill:#e3f1f0;stroke:#9ccac6}
.tw-nobridge{fill:#f7f9fb;stroke:#d5dce4}
.tw-container{fill:#f5f8fe;stroke:#b5c6e6}
.tw-diagram rect.tw-faulty{stroke:#c2282d;stroke-dasharray:5 3}
.tw-diagram .tw-faulty.tw-container,.tw-diagram .tw-faulty.tw-bridge{fill:#fdf3f3}
.tw-diagram path{fill:none}
.tw-bus{stroke:#4a5b6e;stroke-width:5;stroke-linecap:round}
.tw-outside{stroke:#9aa7b5;stroke-width:4;stroke-linecap:round;stroke-dasharray:0 8}
.tw-cable{stroke:#4a5b6e;stroke-width:2}
.tw-drop{stroke:#6fa9a5;stroke-width:1.5}
.tw-rule{stroke:#e3e8ee;stroke-width:1}
.tw-routemark{stroke:#14918a;stroke-width:3}
.tw-diagram path.tw-faulty{stroke:#c2282d;stroke-dasharray:5 4;stroke-linecap:butt}
.tw-diagram .tw-faulty.tw-routemark{stroke-dasharray:none}
.tw-dot{fill:#fff;stroke:#4a5b6e;stroke-width:2}
.tw-diagram circle.tw-faulty{stroke:#c2282d}
)";

std::string_view classOf(Font font) {
  switch (font) {
    case Font::heading:
      return "tw-heading";
    case Font::name:
      return "tw-name";
    case Font::smallName:
      return "tw-smallname";
    case Font::label:
      return "tw-label";
    case Font::code:
      return "tw-code";
    case Font::codeBold:
      return "tw-codebold";
    case Font::smallCode:
      break;
  }
  return "tw-smallcode";
}

std::string_view classOf(Ink ink) {
  switch (ink) {
    case Ink::normal:
      return "";
    case Ink::dim:
      return " tw-dim";
    case Ink::ours:
      return " tw-ours";
    case Ink::fault:
      break;
  }
  return " tw-fault";
}

std::string_view classOf(BoxStyle style) {
  switch (style) {
    case BoxStyle::segment:
      return "tw-segment";
    case BoxStyle::node:
      return "tw-node";
    case BoxStyle::router:
      return "tw-router";
    case BoxStyle::bridge:
      return "tw-bridge";
    case BoxStyle::noBridge:
      return "tw-nobridge";
    case BoxStyle::container:
      break;
  }
  return "tw-container";
}

std::string_view classOf(LineStyle style) {
  switch (style) {
    case LineStyle::bus:
      return "tw-bus";
    case LineStyle::outside:
      return "tw-outside";
    case LineStyle::cable:
      return "tw-cable";
    case LineStyle::drop:
      return "tw-drop";
    case LineStyle::rule:
      return "tw-rule";
    case LineStyle::routeMark:
      break;
  }
  return "tw-routemark";
}

bool isUnderBoxes(LineStyle style) {
  return style == LineStyle::bus || style == LineStyle::outside || style == LineStyle::cable;
}

int radiusOf(BoxStyle style) {
  return style == BoxStyle::segment ? 10 : style == BoxStyle::node || style == BoxStyle::router ? 8 : 5;
}

/// A tip may have several lines, which escape() would not let pass.
std::string escapeLines(std::string_view text) {
  const auto end = text.find('\n');
  if (end == std::string_view::npos) return escape(text);
  return escape(text.substr(0, end)) + "\n" + escapeLines(text.substr(end + 1));
}

class Svg {
 public:
  std::string take(const Picture& picture) {
    open(picture);
    boxes(picture, [](BoxStyle style) { return style == BoxStyle::segment; });
    lines(picture, [](LineStyle style) { return isUnderBoxes(style); });
    boxes(picture, [](BoxStyle style) { return style == BoxStyle::node || style == BoxStyle::router; });
    lines(picture, [](LineStyle style) { return !isUnderBoxes(style); });
    boxes(picture, [](BoxStyle style) { return style > BoxStyle::router; });
    for (const Dot& dot : picture.dots) {
      out_ += fmt::format("<circle class=\"tw-dot{}\" cx=\"{}\" cy=\"{}\" r=\"4\"/>\n",
                          dot.faulty ? " tw-faulty" : "", dot.at.x, dot.at.y);
    }
    for (const Text& text : picture.texts) add(text);
    out_ += "</svg>\n";
    return std::move(out_);
  }

 private:
  void open(const Picture& picture) {
    out_ += fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"tw-diagram\" role=\"img\" "
        "aria-labelledby=\"tw-title tw-desc\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\">\n"
        "<title id=\"tw-title\">{2}</title>\n<desc id=\"tw-desc\">{3}</desc>\n<style>{4}</style>\n"
        "<rect class=\"tw-page\" width=\"{0}\" height=\"{1}\"/>\n",
        picture.width, picture.height, escape(picture.title), escape(picture.description), kStyle);
  }

  template <class Wanted>
  void boxes(const Picture& picture, const Wanted& wanted) {
    for (const Box& box : picture.boxes) {
      if (!wanted(box.style)) continue;
      const std::string place = box.place.empty() ? "" : fmt::format(" data-place=\"{}\"", escape(box.place));
      out_ += fmt::format("<rect class=\"{}{}\"{} x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\"{}\n",
                          classOf(box.style), box.faulty ? " tw-faulty" : "", place, box.rect.x, box.rect.y,
                          box.rect.width, box.rect.height, radiusOf(box.style), ending("rect", "", box.tip));
    }
  }

  template <class Wanted>
  void lines(const Picture& picture, const Wanted& wanted) {
    for (const Line& line : picture.lines) {
      if (!wanted(line.style)) continue;
      std::string path;
      for (const Point& point : line.points) {
        path += fmt::format("{}{} {}", path.empty() ? "M" : "L", point.x, point.y);
      }
      out_ += fmt::format("<path class=\"{}{}\" d=\"{}\"/>\n", classOf(line.style),
                          line.faulty ? " tw-faulty" : "", path);
    }
  }

  void add(const Text& text) {
    out_ +=
        fmt::format("<text class=\"{}{}{}{}\" x=\"{}\" y=\"{}\"{}\n", classOf(text.font), classOf(text.ink),
                    text.anchor == Anchor::end ? " tw-end" : "", text.tip.empty() ? "" : " tw-tip", text.at.x,
                    text.at.y, ending("text", escape(text.text), text.tip));
  }

  /// What follows an element's attributes; a tip is a <title> inside.
  static std::string ending(const char* element, const std::string& content, const std::string& tip) {
    if (content.empty() && tip.empty()) return "/>";
    const std::string title = tip.empty() ? "" : fmt::format("<title>{}</title>", escapeLines(tip));
    return fmt::format(">{}{}</{}>", title, content, element);
  }

  std::string out_;
};

}  // namespace

std::string write(const Picture& picture) {
  return Svg().take(picture);
}

}  // namespace twill::trace::diagram
