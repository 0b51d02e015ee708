// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/lzw.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include <fmt/format.h>

namespace twill::gossip {

namespace {

constexpr std::uint32_t kClear = 256;
constexpr std::uint32_t kEnd = 257;
constexpr unsigned kFirstWidth = 9;
constexpr unsigned kLastWidth = 12;
constexpr std::uint32_t kCodes = 1U << kLastWidth;

/// Which code stands for an earlier code and one more byte. Open addressing, four times as large as it can
/// get full.
class Codes {
 public:
  /// 0: none.
  [[nodiscard]] std::uint32_t find(std::uint32_t code, std::uint8_t next) const {
    const std::uint32_t key = keyOf(code, next);
    for (std::size_t at = slotOf(key);; at = (at + 1) % kSlots) {
      if (slots_[at] == 0 || slots_[at] / kCodes == key) return slots_[at] % kCodes;
    }
  }
  void add(std::uint32_t code, std::uint8_t next, std::uint32_t as) {
    const std::uint32_t key = keyOf(code, next);
    std::size_t at = slotOf(key);
    while (slots_[at] != 0) at = (at + 1) % kSlots;
    slots_[at] = key * kCodes + as;
  }
  void clear() { std::fill(slots_.begin(), slots_.end(), 0); }

 private:
  static constexpr std::size_t kSlots = std::size_t{4} * kCodes;
  static std::uint32_t keyOf(std::uint32_t code, std::uint8_t next) { return code << 8U | next; }
  static std::size_t slotOf(std::uint32_t key) { return (key >> kLastWidth ^ key) % kSlots; }
  /// The key, then the code; a code is never 0.
  std::vector<std::uint32_t> slots_ = std::vector<std::uint32_t>(kSlots);
};

class Writer {
 public:
  void put(std::uint32_t code) {
    bits_ |= code << count_;
    for (count_ += width_; count_ >= 8; count_ -= 8) {
      bytes_ += static_cast<char>(bits_ & 0xffU);
      bits_ >>= 8U;
    }
  }
  void restart() {
    put(kClear);
    last_ = kEnd;
    width_ = kFirstWidth;
  }
  /// The code that the reader gives to what it read last, which may make codes longer; 0 after a restart,
  /// which comes one code before the table is full.
  std::uint32_t next() {
    if (++last_ == 1U << width_) ++width_;
    if (last_ < kCodes - 1) return last_;
    restart();
    return 0;
  }
  std::string finish() && {
    if (count_ > 0) bytes_ += static_cast<char>(bits_ & 0xffU);
    return std::move(bytes_);
  }

 private:
  std::string bytes_;
  std::uint32_t bits_ = 0;
  unsigned count_ = 0;
  unsigned width_ = kFirstWidth;
  std::uint32_t last_ = kEnd;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  /// False when the bytes end before the code does.
  bool take(unsigned width, std::uint32_t& code) {
    for (; count_ < width; count_ += 8) {
      if (bytes_.empty()) return false;
      bits_ |= static_cast<std::uint32_t>(static_cast<std::uint8_t>(bytes_.front())) << count_;
      bytes_.remove_prefix(1);
    }
    code = bits_ & ((1U << width) - 1);
    bits_ >>= width;
    count_ -= width;
    return true;
  }

 private:
  std::string_view bytes_;
  std::uint32_t bits_ = 0;
  unsigned count_ = 0;
};

/// Part of what was expanded so far, and what a code stands for: the code before, and the byte after that.
struct Run {
  std::size_t start = 0;
  std::size_t length = 0;  ///< 0: none
};

}  // namespace

std::string lzwCompress(std::string_view bytes) {
  Writer writer;
  writer.restart();
  if (!bytes.empty()) {
    Codes codes;
    std::uint32_t code = static_cast<std::uint8_t>(bytes.front());
    for (const char each : bytes.substr(1)) {
      const auto byte = static_cast<std::uint8_t>(each);
      if (const std::uint32_t longer = codes.find(code, byte); longer != 0) {
        code = longer;
        continue;
      }
      writer.put(code);
      if (const std::uint32_t added = writer.next(); added != 0) {
        codes.add(code, byte, added);
      } else {
        codes.clear();
      }
      code = byte;
    }
    writer.put(code);
    (void)writer.next();
  }
  writer.put(kEnd);
  return std::move(writer).finish();
}

Result<std::string> lzwExpand(std::string_view compressed, std::size_t limit) {
  std::string expanded;
  std::array<Run, kCodes> runs;
  Reader reader(compressed);
  Run previous;
  std::uint32_t next =
      kEnd;  // the code that the run before and this one's first byte get; kEnd: no run before
  unsigned width = kFirstWidth;
  std::uint32_t code = 0;
  while (reader.take(width, code)) {
    if (code == kEnd) return expanded;
    if (code == kClear) {
      previous = {};
      next = kEnd;
      width = kFirstWidth;
      continue;
    }
    if (code > next) return fail("LZW: a code that nothing stands for", Error::Kind::invalid);
    // Its last byte is the one written next, even where that is a part of the run itself.
    if (previous.length > 0) runs[next] = {previous.start, previous.length + 1};
    const Run run = code < kClear ? Run{expanded.size(), 1} : runs[code];
    if (run.length > limit - expanded.size()) {
      return fail(fmt::format("LZW: expands to more than {} bytes", limit), Error::Kind::invalid);
    }
    previous = {expanded.size(), run.length};
    if (code < kClear) expanded += static_cast<char>(code);
    for (std::size_t at = 0; code > kEnd && at < run.length; ++at) expanded += expanded[run.start + at];
    if (++next == 1U << width) {
      if (width < kLastWidth) {
        ++width;
      } else {  // full: no more runs until a clear
        --next;
        previous = {};
      }
    }
  }
  return fail("LZW: cut short", Error::Kind::invalid);
}

}  // namespace twill::gossip
