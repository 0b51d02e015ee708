// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <endian.h>

#include "base/result.hpp"

namespace twill {

enum class Family : std::uint8_t { v4, v6 };

/// An IPv4 or IPv6 address. A plain value; bytes are in network order, IPv4 uses the first four.
class IpAddress {
 public:
  /// 0.0.0.0
  IpAddress() = default;
  /// `bytes` holds 4 or 16 bytes in network order; any other length yields 0.0.0.0.
  static IpAddress fromBytes(std::span<const std::uint8_t> bytes);
  /// IPv4 from a number in host order: 0x0a000001 is 10.0.0.1.
  static IpAddress fromV4(std::uint32_t hostOrder);
  /// "10.0.0.1" or "fd00::1"; no prefix length, no zone, no surrounding blanks.
  static Result<IpAddress> parse(std::string_view text);

  [[nodiscard]] Family family() const { return family_; }
  [[nodiscard]] bool isV4() const { return family_ == Family::v4; }
  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return {bytes_.data(), isV4() ? 4U : 16U}; }
  /// 32 or 128
  [[nodiscard]] int bits() const { return isV4() ? 32 : 128; }
  /// IPv4 in host order; 0 for IPv6.
  [[nodiscard]] std::uint32_t v4() const;
  /// RFC 5952 for IPv6.
  [[nodiscard]] std::string text() const;

  [[nodiscard]] bool isUnspecified() const;
  /// 127.0.0.0/8, ::1
  [[nodiscard]] bool isLoopback() const;
  /// 169.254.0.0/16, fe80::/10
  [[nodiscard]] bool isLinkLocal() const;
  /// 224.0.0.0/4, ff00::/8
  [[nodiscard]] bool isMulticast() const;
  /// 255.255.255.255
  [[nodiscard]] bool isBroadcast() const;
  /// ::ffff:0.0.0.0/96: an IPv4 address in a program's IPv6 socket, and in no packet (RFC 4291, 2.5.5.2)
  [[nodiscard]] bool isMappedV4() const;

  /// This address plus `n`; wraps around at the end of the family's space.
  [[nodiscard]] IpAddress plus(std::uint64_t n) const;

  /// By family, then by number. Word by word, since sorting and looking up addresses is most of what a large
  /// cluster costs, and the default would call memcmp() for each comparison.
  std::strong_ordering operator<=>(const IpAddress& other) const {
    if (family_ != other.family_) return family_ <=> other.family_;
    if (word(0) != other.word(0)) return word(0) <=> other.word(0);
    return word(1) <=> other.word(1);
  }
  bool operator==(const IpAddress& other) const { return (*this <=> other) == 0; }

 private:
  /// Eight of the bytes as a number.
  [[nodiscard]] std::uint64_t word(std::size_t which) const {
    std::uint64_t number = 0;
    std::memcpy(&number, bytes_.data() + which * sizeof number, sizeof number);
    return be64toh(number);
  }

  Family family_ = Family::v4;
  std::array<std::uint8_t, 16> bytes_{};
};

/// A network: address with its host bits zero, and a length. A plain value.
class Prefix {
 public:
  /// 0.0.0.0/0
  Prefix() = default;
  /// Host bits of `address` are cleared; `length` is clamped to the family's bits.
  Prefix(const IpAddress& address, int length);
  /// "10.0.0.0/24", "fd00::/64". Host bits that are set are an error, as is a missing length.
  static Result<Prefix> parse(std::string_view text);
  /// The /32 or /128 of one address.
  static Prefix host(const IpAddress& address) { return {address, address.bits()}; }

  [[nodiscard]] const IpAddress& address() const { return address_; }
  [[nodiscard]] int length() const { return length_; }
  [[nodiscard]] Family family() const { return address_.family(); }
  [[nodiscard]] bool isV4() const { return address_.isV4(); }
  [[nodiscard]] bool contains(const IpAddress& other) const;
  [[nodiscard]] bool contains(const Prefix& other) const;
  [[nodiscard]] bool overlaps(const Prefix& other) const;
  /// Number of addresses, saturating at 2^63.
  [[nodiscard]] std::uint64_t size() const;
  /// The last address: broadcast in IPv4.
  [[nodiscard]] IpAddress last() const;
  /// The `n`-th prefix of `length` inside this one, counted from 0. `n` must be below 2^(length - length()).
  [[nodiscard]] Prefix subnet(int length, std::uint64_t n) const;
  /// The inverse of subnet(): which one `inner` is. Saturates at 2^63.
  [[nodiscard]] std::uint64_t indexOf(const Prefix& inner) const;
  [[nodiscard]] std::string text() const;

  auto operator<=>(const Prefix&) const = default;

 private:
  IpAddress address_;
  std::int16_t length_ = 0;
};

/// An address as an interface carries it: host bits kept, "172.16.0.1/24".
struct InterfaceAddress {
  IpAddress address;
  int length = 0;

  static Result<InterfaceAddress> parse(std::string_view text);
  [[nodiscard]] Prefix prefix() const { return {address, length}; }
  [[nodiscard]] std::string text() const;
  auto operator<=>(const InterfaceAddress&) const = default;
};

/// An Ethernet address. A plain value.
struct MacAddress {
  std::array<std::uint8_t, 6> bytes{};

  /// "0a:58:ac:10:00:01"
  static Result<MacAddress> parse(std::string_view text);
  /// Locally administered and unicast, the same for the same seed on every run (FNV-1a of the text).
  static MacAddress derive(std::string_view seed);
  [[nodiscard]] bool isZero() const { return *this == MacAddress{}; }
  [[nodiscard]] bool isMulticast() const { return (bytes[0] & 1U) != 0; }
  /// The IPv6 link-local address that belongs to it (RFC 4291, appendix A).
  [[nodiscard]] IpAddress linkLocal() const;
  [[nodiscard]] std::string text() const;
  auto operator<=>(const MacAddress&) const = default;
};

}  // namespace twill
