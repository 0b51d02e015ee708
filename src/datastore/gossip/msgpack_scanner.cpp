// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/big_endian.hpp"
#include "datastore/gossip/msgpack.hpp"

namespace twill::gossip {

namespace {

using State = MsgpackReader::State;

/// What follows a code.
struct Shape {
  std::size_t lengthBytes = 0;  ///< of a number that is added to `bytes` or, times `each`, to `children`
  std::uint64_t bytes = 0;
  std::uint64_t children = 0;  ///< values
  std::uint64_t each = 0;      ///< values for each that the number counts; 0: it counts bytes
};

constexpr std::uint8_t kNever = 0xc1;

Shape shapeOf(std::uint8_t code) {
  const auto isOf = [code](int first, int last) { return code >= first && code <= last; };
  const auto power = [code](int first) { return std::size_t{1} << (code - first); };
  if (isOf(0x80, 0x8f)) return {.children = std::uint64_t{2} * (code & 0x0fU)};
  if (isOf(0x90, 0x9f)) return {.children = code & 0x0fU};
  if (isOf(0xa0, 0xbf)) return {.bytes = code & 0x1fU};
  if (isOf(0xc4, 0xc6)) return {.lengthBytes = power(0xc4)};              // bin
  if (isOf(0xc7, 0xc9)) return {.lengthBytes = power(0xc7), .bytes = 1};  // ext, with a byte of type
  if (isOf(0xca, 0xcb)) return {.bytes = 4 * power(0xca)};                // float
  if (isOf(0xcc, 0xcf)) return {.bytes = power(0xcc)};                    // unsigned
  if (isOf(0xd0, 0xd3)) return {.bytes = power(0xd0)};                    // signed
  if (isOf(0xd4, 0xd8)) return {.bytes = 1 + power(0xd4)};                // fixext
  if (isOf(0xd9, 0xdb)) return {.lengthBytes = power(0xd9)};              // str, raw
  if (isOf(0xdc, 0xdd)) return {.lengthBytes = 2 * power(0xdc), .each = 1};
  if (isOf(0xde, 0xdf)) return {.lengthBytes = 2 * power(0xde), .each = 2};
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
    const std::uint64_t payload = shape.bytes + (shape.each == 0 ? number : 0);
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
