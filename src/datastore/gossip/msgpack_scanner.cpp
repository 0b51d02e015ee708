// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/big_endian.hpp"
#include "datastore/gossip/msgpack.hpp"

namespace twill::gossip {

namespace {

using State = MsgpackReader::State;

/// How a code's value goes on after the code.
struct Shape {
  std::size_t lengthBytes = 0;  ///< of a number that is added to `fixed` or, times `each`, to `children`
  std::uint64_t fixed = 0;      ///< bytes
  std::uint64_t children = 0;   ///< values
  std::uint64_t each = 0;       ///< values for each that the number counts; 0: it counts bytes
};

/// Codes 0xc0..0xdf: those that say nothing but their kind. 0xc1 is none; it never gets here.
constexpr std::array<Shape, 32> kShapes = {{
    {},
    {},
    {},
    {},  // nil, -, false, true
    {1},
    {2},
    {4},  // bin
    {1, 1},
    {2, 1},
    {4, 1},  // ext: a byte of type
    {0, 4},
    {0, 8},  // float
    {0, 1},
    {0, 2},
    {0, 4},
    {0, 8},  // unsigned
    {0, 1},
    {0, 2},
    {0, 4},
    {0, 8},  // signed
    {0, 2},
    {0, 3},
    {0, 5},
    {0, 9},
    {0, 17},  // fixext: a byte of type
    {1},
    {2},
    {4},  // str, raw
    {.lengthBytes = 2, .each = 1},
    {.lengthBytes = 4, .each = 1},  // array
    {.lengthBytes = 2, .each = 2},
    {.lengthBytes = 4, .each = 2},  // map
}};

constexpr std::uint8_t kNever = 0xc1;

Shape shapeOf(std::uint8_t code) {
  if (code >= 0xc0 && code <= 0xdf) return kShapes[code - 0xc0U];
  if (code >= 0xa0 && code <= 0xbf) return {.fixed = code & 0x1fU};
  if (code >= 0x90 && code <= 0x9f) return {.children = code & 0x0fU};
  if (code >= 0x80 && code <= 0x8f) return {.children = 2 * (code & 0x0fU)};
  return {};
}

}  // namespace

State MsgpackScanner::advance(std::string_view bytes) {
  while (true) {
    const std::string_view rest = bytes.substr(position_);
    if (rest.empty()) return State::cut;
    const auto code = static_cast<std::uint8_t>(rest.front());
    if (code == kNever) return State::malformed;
    const Shape shape = shapeOf(code);
    const std::size_t head = 1 + shape.lengthBytes;
    if (rest.size() < head) return State::cut;
    const std::uint64_t number = bigOf(rest.substr(1, shape.lengthBytes));
    const std::uint64_t payload = shape.fixed + (shape.each == 0 ? number : 0);
    if (rest.size() - head < payload) return State::cut;
    const std::uint64_t children = shape.children + shape.each * number;
    if (children > 0 && depth_ == kDepth) return State::malformed;
    position_ += head + payload;
    if (children > 0) {
      left_[depth_++] = children;
      continue;
    }
    while (depth_ > 0 && --left_[depth_ - 1] == 0) --depth_;
    if (depth_ == 0) return State::good;
  }
}

}  // namespace twill::gossip
