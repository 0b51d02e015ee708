// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

/// MessagePack in the dialect of HashiCorp's go-msgpack, as memberlist and Serf speak it: strings and bytes
/// are both "raw", numbers take the smallest unsigned form. Pure.
namespace twill::gossip {

class MsgpackWriter {
 public:
  void nil();
  void boolean(bool value);
  void number(std::uint64_t value);
  void real(double value);
  void raw(std::string_view bytes);
  /// `count` values follow.
  void array(std::size_t count);
  /// `count` pairs of a raw key and a value follow.
  void map(std::size_t count);
  /// A value that is encoded already.
  void encoded(std::string_view bytes) { bytes_ += bytes; }

  [[nodiscard]] std::string take() && { return std::move(bytes_); }

 private:
  void head(std::uint8_t code, std::uint64_t value, int bytes);
  std::string bytes_;
};

/// Reads values one after the other. The first failure sticks: from then on every call returns nothing, 0 or
/// empty, so a caller asks state() once, at the end. Bounded: nesting beyond 32 is malformed, and a count
/// beyond the bytes that are left is cut, as each value takes a byte.
class MsgpackReader {
 public:
  enum class State { good, cut, malformed };  ///< cut: the bytes end before the value does

  explicit MsgpackReader(std::string_view bytes) : bytes_(bytes) {}

  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] bool good() const { return state_ == State::good; }
  /// Bytes read so far, and those that follow.
  [[nodiscard]] std::size_t position() const { return position_; }
  [[nodiscard]] std::string_view rest() const { return bytes_.substr(position_); }

  [[nodiscard]] bool boolean();
  /// Unsigned, or signed and not negative; nil is 0.
  [[nodiscard]] std::uint64_t number();
  [[nodiscard]] std::uint32_t number32();  ///< more than 32 bits is malformed
  [[nodiscard]] std::uint16_t number16();
  [[nodiscard]] double real();
  /// raw, str8 or bin; nil is empty. Points into the bytes given.
  [[nodiscard]] std::string_view raw();
  /// Number of values that follow; nil is 0.
  [[nodiscard]] std::size_t array();
  /// Number of pairs that follow; nil is 0.
  [[nodiscard]] std::size_t map();
  /// Passes over one value.
  void skip();
  /// What was read is not what it must be: malformed from here on.
  void reject() { fail(State::malformed); }

  /// Calls `onKey(std::string_view key)` for each pair of a map; it must read or skip() exactly one value.
  template <class OnKey>
  void eachKey(OnKey onKey) {
    for (std::size_t left = map(); left > 0 && good(); --left) {
      const std::string_view key = raw();
      if (good()) onKey(key);
    }
  }

 private:
  [[nodiscard]] std::uint8_t byte();
  [[nodiscard]] std::uint64_t big(int bytes);
  [[nodiscard]] std::size_t count(std::uint64_t value, std::size_t bytesEach);
  void fail(State state);

  std::string_view bytes_;
  std::size_t position_ = 0;
  State state_ = State::good;
};

/// Finds the end of one value whose bytes come in pieces. Cost: linear in the bytes, whatever the pieces.
class MsgpackScanner {
 public:
  static constexpr std::size_t kDepth = 32;  ///< arrays and maps inside each other

  /// `bytes`: from the value's first on, all that earlier calls were given and what has come since. cut: go
  /// on with more; good: the value is whole.
  [[nodiscard]] MsgpackReader::State advance(std::string_view bytes);
  /// The value's bytes, once it is whole.
  [[nodiscard]] std::size_t size() const { return position_; }

 private:
  std::size_t position_ = 0;
  std::size_t depth_ = 0;
  std::array<std::uint64_t, kDepth> left_{};  ///< values to come, for each level
};

}  // namespace twill::gossip
