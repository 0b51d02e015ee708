// SPDX-License-Identifier: Apache-2.0
#include "trace/diagram_text.hpp"

namespace twill::trace::diagram {
namespace {

constexpr char32_t kReplacement = 0xFFFD;
constexpr char32_t kEllipsis = 0x2026;

/// Takes one character off the front. A byte that starts none yields U+FFFD.
char32_t takeCharacter(std::string_view& text) {
  const auto first = static_cast<unsigned char>(text.front());
  const std::size_t length = first < 0x80             ? 1
                             : (first & 0xE0) == 0xC0 ? 2
                             : (first & 0xF0) == 0xE0 ? 3
                             : (first & 0xF8) == 0xF0 ? 4
                                                      : 0;
  constexpr unsigned kLeadBits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  char32_t value = first & kLeadBits[length];
  bool valid = length > 0 && length <= text.size();
  for (std::size_t i = 1; valid && i < length; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    valid = (next & 0xC0) == 0x80;
    value = value << 6U | (next & 0x3FU);
  }
  valid = valid && value >= kLeast[length] && value <= 0x10FFFF && (value < 0xD800 || value > 0xDFFF);
  text.remove_prefix(valid ? length : 1);
  return valid ? value : kReplacement;
}

bool isShowable(char32_t c) {
  const bool control = c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0xFFFE || c == 0xFFFF;
  const bool turnsDirection =
      (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
  return !control && !turnsDirection;
}

std::u32string decode(std::string_view text) {
  std::u32string out;
  while (!text.empty()) {
    const char32_t c = takeCharacter(text);
    out += isShowable(c) ? c : kReplacement;
  }
  return out;
}

void append(std::string& out, char32_t c) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80U | ((c >> shift) & 0x3FU)); };
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0U | (c >> 6U));
    tail(0);
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0U | (c >> 12U));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0U | (c >> 18U));
    tail(12);
    tail(6);
    tail(0);
  }
}

/// In hundredths of the font's size. The proportional ones are those of DejaVu Sans, bold or not, the widest
/// of the fonts that the picture asks for.
int advanceOf(char32_t c, Font font) {
  constexpr char32_t kFirstDoubleWidth = 0x1100;
  const bool doubleWidth = c >= kFirstDoubleWidth && (c < 0x2000 || c > 0x2BFF);
  if (isMonospace(font)) return doubleWidth ? 122 : 61;
  const bool bold = font != Font::label;
  constexpr std::u32string_view kNarrow = U" .,:;'|!()[]ijlIt-/·";
  constexpr std::u32string_view kWide = U"mwMW@%…→";
  if (kNarrow.find(c) != std::u32string_view::npos) return bold ? 48 : 40;
  if (kWide.find(c) != std::u32string_view::npos || doubleWidth) return bold ? 112 : 102;
  if (c >= U'a' && c <= U'z') return bold ? 73 : 65;
  return bold ? 87 : 80;
}

int widthOf(const std::u32string& text, Font font) {
  int hundredths = 0;
  for (const char32_t c : text) hundredths += advanceOf(c, font) * sizeOf(font);
  return (hundredths + 99) / 100;
}

}  // namespace

int sizeOf(Font font) {
  switch (font) {
    case Font::heading:
      return 20;
    case Font::name:
      return 14;
    case Font::smallName:
    case Font::label:
      return 12;
    case Font::smallCode:
      return 10;
    case Font::code:
    case Font::codeBold:
      break;
  }
  return 11;
}

bool isMonospace(Font font) {
  return font == Font::code || font == Font::codeBold || font == Font::smallCode;
}

int widthOf(std::string_view text, Font font) {
  return widthOf(decode(text), font);
}

std::string fit(std::string_view text, Font font, int width) {
  std::u32string left = decode(text);
  if (widthOf(left, font) > width) {
    std::size_t cut = left.size() / 2;
    left.insert(cut, 1, kEllipsis);
    while (left.size() > 1 && widthOf(left, font) > width) {
      const bool tailIsLonger = left.size() - cut - 1 >= cut;
      left.erase(tailIsLonger ? cut + 1 : --cut, 1);
    }
  }
  std::string out;
  for (const char32_t c : left) append(out, c);
  return out;
}

std::string escape(std::string_view text) {
  std::string out;
  for (const char32_t c : decode(text)) {
    switch (c) {
      case U'&':
        out += "&amp;";
        break;
      case U'<':
        out += "&lt;";
        break;
      case U'>':
        out += "&gt;";
        break;
      case U'"':
        out += "&quot;";
        break;
      default:
        append(out, c);
    }
  }
  return out;
}

}  // namespace twill::trace::diagram
