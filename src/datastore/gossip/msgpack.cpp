// SPDX-License-Identifier: Apache-2.0
// Codes: https://github.com/msgpack/msgpack/blob/master/spec.md. Of the old specification, which go-msgpack
// writes, are "raw" for str and the missing str8 and bin.
#include "datastore/gossip/msgpack.hpp"

#include <bit>
#include <limits>

#include "datastore/gossip/big_endian.hpp"

namespace twill::gossip {

namespace {

constexpr std::uint8_t kNil = 0xc0;
constexpr std::uint8_t kFalse = 0xc2;
constexpr std::uint8_t kTrue = 0xc3;
constexpr std::uint8_t kFloat32 = 0xca;
constexpr std::uint8_t kFloat64 = 0xcb;
constexpr std::uint64_t kLargest16 = std::numeric_limits<std::uint16_t>::max();

/// The first of four codes for numbers of 1, 2, 4 and 8 bytes.
constexpr std::uint8_t kUnsigned = 0xcc;
constexpr std::uint8_t kSigned = 0xd0;

}  // namespace

void MsgpackWriter::head(std::uint8_t code, std::uint64_t value, int bytes) {
  bytes_ += static_cast<char>(code);
  appendBig(bytes_, value, bytes);
}

void MsgpackWriter::nil() {
  head(kNil, 0, 0);
}

void MsgpackWriter::boolean(bool value) {
  head(value ? kTrue : kFalse, 0, 0);
}

void MsgpackWriter::number(std::uint64_t value) {
  if (value <= 0x7f) {
    head(static_cast<std::uint8_t>(value), 0, 0);
  } else if (value <= 0xff) {
    head(kUnsigned, value, 1);
  } else if (value <= kLargest16) {
    head(kUnsigned + 1, value, 2);
  } else if (value <= std::numeric_limits<std::uint32_t>::max()) {
    head(kUnsigned + 2, value, 4);
  } else {
    head(kUnsigned + 3, value, 8);
  }
}

void MsgpackWriter::real(double value) {
  head(kFloat64, std::bit_cast<std::uint64_t>(value), 8);
}

void MsgpackWriter::raw(std::string_view bytes) {
  if (bytes.size() < 32) {
    head(static_cast<std::uint8_t>(0xa0U + bytes.size()), 0, 0);
  } else if (bytes.size() <= kLargest16) {
    head(0xda, bytes.size(), 2);
  } else {
    head(0xdb, bytes.size(), 4);
  }
  bytes_ += bytes;
}

void MsgpackWriter::array(std::size_t count) {
  if (count < 16) {
    head(static_cast<std::uint8_t>(0x90U + count), 0, 0);
  } else if (count <= kLargest16) {
    head(0xdc, count, 2);
  } else {
    head(0xdd, count, 4);
  }
}

void MsgpackWriter::map(std::size_t count) {
  if (count < 16) {
    head(static_cast<std::uint8_t>(0x80U + count), 0, 0);
  } else if (count <= kLargest16) {
    head(0xde, count, 2);
  } else {
    head(0xdf, count, 4);
  }
}

void MsgpackReader::fail(State state) {
  if (good()) state_ = state;
}

std::uint64_t MsgpackReader::big(int bytes) {
  const auto size = static_cast<std::size_t>(bytes);
  if (rest().size() < size) fail(State::cut);
  if (!good()) return 0;
  const std::string_view number = rest().substr(0, size);
  position_ += size;
  return bigOf(number);
}

std::uint8_t MsgpackReader::byte() {
  return static_cast<std::uint8_t>(big(1));
}

std::size_t MsgpackReader::count(std::uint64_t value, std::size_t bytesEach) {
  if (value > rest().size() / bytesEach) fail(State::cut);
  return good() ? static_cast<std::size_t>(value) : 0;
}

bool MsgpackReader::boolean() {
  const std::uint8_t code = byte();
  if (good() && code != kTrue && code != kFalse && code != kNil) reject();
  return good() && code == kTrue;
}

std::uint64_t MsgpackReader::number() {
  const std::uint8_t code = byte();
  if (code <= 0x7f) return code;
  if (code == kNil) return 0;
  if (code >= kUnsigned && code < kUnsigned + 4) return big(1 << (code - kUnsigned));
  if (code >= kSigned && code < kSigned + 4) {
    const int bytes = 1 << (code - kSigned);
    const std::uint64_t value = big(bytes);
    if (value >> (8 * bytes - 1) == 0) return value;
  }
  reject();
  return 0;
}

std::uint32_t MsgpackReader::number32() {
  const std::uint64_t value = number();
  if (value > std::numeric_limits<std::uint32_t>::max()) reject();
  return good() ? static_cast<std::uint32_t>(value) : 0;
}

std::uint16_t MsgpackReader::number16() {
  const std::uint64_t value = number();
  if (value > kLargest16) reject();
  return good() ? static_cast<std::uint16_t>(value) : std::uint16_t{0};
}

double MsgpackReader::real() {
  const auto code = static_cast<std::uint8_t>(rest().empty() ? '\0' : rest().front());
  if (code != kFloat32 && code != kFloat64) return static_cast<double>(number());
  (void)byte();
  if (code == kFloat32) return std::bit_cast<float>(static_cast<std::uint32_t>(big(4)));
  return std::bit_cast<double>(big(8));
}

std::string_view MsgpackReader::raw() {
  const std::uint8_t code = byte();
  std::uint64_t size = 0;
  if (code >= 0xa0 && code <= 0xbf) {
    size = code & 0x1fU;
  } else if (code == 0xd9 || code == 0xc4) {
    size = big(1);
  } else if (code == 0xda || code == 0xc5) {
    size = big(2);
  } else if (code == 0xdb || code == 0xc6) {
    size = big(4);
  } else if (code != kNil) {
    reject();
  }
  const std::string_view bytes = rest().substr(0, count(size, 1));
  position_ += bytes.size();
  return bytes;
}

std::size_t MsgpackReader::array() {
  const std::uint8_t code = byte();
  if (code >= 0x90 && code <= 0x9f) return count(code & 0x0fU, 1);
  if (code == 0xdc) return count(big(2), 1);
  if (code == 0xdd) return count(big(4), 1);
  if (code != kNil) reject();
  return 0;
}

std::size_t MsgpackReader::map() {
  const std::uint8_t code = byte();
  if (code >= 0x80 && code <= 0x8f) return count(code & 0x0fU, 2);
  if (code == 0xde) return count(big(2), 2);
  if (code == 0xdf) return count(big(4), 2);
  if (code != kNil) reject();
  return 0;
}

void MsgpackReader::skip() {
  if (!good()) return;
  MsgpackScanner scanner;
  fail(scanner.advance(rest()));
  if (good()) position_ += scanner.size();
}

}  // namespace twill::gossip
