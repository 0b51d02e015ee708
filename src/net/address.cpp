// SPDX-License-Identifier: Apache-2.0
#include "net/address.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

#include <arpa/inet.h>
#include <fmt/compile.h>
#include <fmt/format.h>

#include "base/fnv.hpp"

namespace twill {
namespace {

constexpr std::uint64_t kSaturated = 1ULL << 63U;

/// The address as a 128 bit number, IPv4 in the low 32 bits.
__extension__ using Wide = unsigned __int128;

Wide toWide(const IpAddress& address) {
  if (address.isV4()) return address.v4();
  std::array<std::uint64_t, 2> words{};
  std::memcpy(words.data(), address.bytes().data(), sizeof words);
  return Wide{be64toh(words[0])} << 64U | be64toh(words[1]);
}

IpAddress fromWide(Wide value, Family family) {
  if (family == Family::v4) return IpAddress::fromV4(static_cast<std::uint32_t>(value));
  const std::array words{htobe64(static_cast<std::uint64_t>(value >> 64U)),
                         htobe64(static_cast<std::uint64_t>(value))};
  std::array<std::uint8_t, sizeof words> bytes{};
  std::memcpy(bytes.data(), words.data(), sizeof words);
  return IpAddress::fromBytes(bytes);
}

/// The low `bits` bits set.
Wide lowBits(int bits) {
  return bits >= 128 ? ~Wide{0} : (Wide{1} << static_cast<unsigned>(bits)) - 1;
}

/// The network mask of an IPv4 prefix, in host order.
std::uint32_t maskOf(int length) {
  return length == 0 ? 0 : ~std::uint32_t{0} << static_cast<unsigned>(32 - length);
}

struct Split {
  IpAddress address;
  int length;
};

Result<Split> parseWithLength(std::string_view text) {
  auto slash = text.find('/');
  if (slash == std::string_view::npos) {
    return fail(fmt::format("'{}' has no prefix length; expected ADDRESS/LENGTH", text),
                Error::Kind::invalid);
  }
  TWILL_TRY(IpAddress address, IpAddress::parse(text.substr(0, slash)));
  std::string_view digits = text.substr(slash + 1);
  int length = -1;
  auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (problem != std::errc() || end != digits.data() + digits.size() || length < 0 ||
      length > address.bits()) {
    return fail(fmt::format("'{}' has a bad prefix length; expected 0 to {}", text, address.bits()),
                Error::Kind::invalid);
  }
  return Split{address, length};
}

}  // namespace

IpAddress IpAddress::fromBytes(std::span<const std::uint8_t> bytes) {
  IpAddress address;
  if (bytes.size() != 4 && bytes.size() != 16) return address;
  address.family_ = bytes.size() == 4 ? Family::v4 : Family::v6;
  std::copy(bytes.begin(), bytes.end(), address.bytes_.begin());
  return address;
}

IpAddress IpAddress::fromV4(std::uint32_t hostOrder) {
  IpAddress address;
  const std::uint32_t number = htobe32(hostOrder);
  std::memcpy(address.bytes_.data(), &number, sizeof number);
  return address;
}

Result<IpAddress> IpAddress::parse(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (text.size() < terminated.size()) {
    std::copy(text.begin(), text.end(), terminated.begin());
    std::array<std::uint8_t, 16> bytes{};
    // An embedded NUL would make inet_pton see a shorter text than the caller gave.
    bool whole = text.find('\0') == std::string_view::npos;
    if (whole && ::inet_pton(AF_INET, terminated.data(), bytes.data()) == 1)
      return fromBytes({bytes.data(), 4});
    if (whole && ::inet_pton(AF_INET6, terminated.data(), bytes.data()) == 1) return fromBytes(bytes);
  }
  return fail(fmt::format("'{}' is not an IP address", text.substr(0, 64)), Error::Kind::invalid);
}

std::uint32_t IpAddress::v4() const {
  if (!isV4()) return 0;
  std::uint32_t number = 0;
  std::memcpy(&number, bytes_.data(), sizeof number);
  return be32toh(number);
}

std::string IpAddress::text() const {
  // glibc's inet_ntop() goes through sprintf() for IPv4, which is most of what a large node set costs.
  if (isV4()) return fmt::format(FMT_COMPILE("{}.{}.{}.{}"), bytes_[0], bytes_[1], bytes_[2], bytes_[3]);
  std::array<char, INET6_ADDRSTRLEN> out{};
  ::inet_ntop(AF_INET6, bytes_.data(), out.data(), out.size());
  return out.data();
}

bool IpAddress::isUnspecified() const {
  return toWide(*this) == 0;
}

bool IpAddress::isLoopback() const {
  return isV4() ? bytes_[0] == 127 : toWide(*this) == 1;
}

bool IpAddress::isLinkLocal() const {
  return isV4() ? bytes_[0] == 169 && bytes_[1] == 254 : bytes_[0] == 0xfe && (bytes_[1] & 0xc0U) == 0x80;
}

bool IpAddress::isBroadcast() const {
  return isV4() && v4() == 0xffffffffU;
}

bool IpAddress::isMappedV4() const {
  static constexpr std::array<std::uint8_t, 12> kHead{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return !isV4() && std::equal(kHead.begin(), kHead.end(), bytes_.begin());
}

bool IpAddress::isMulticast() const {
  return isV4() ? (bytes_[0] & 0xf0U) == 0xe0 : bytes_[0] == 0xff;
}

IpAddress IpAddress::plus(std::uint64_t n) const {
  return fromWide((toWide(*this) + n) & lowBits(bits()), family_);
}

Prefix::Prefix(const IpAddress& address, int length)
    : length_(static_cast<std::int16_t>(std::clamp(length, 0, address.bits()))) {
  if (address.isV4()) {  // the way of most, and lookups take it for each lease
    address_ = IpAddress::fromV4(address.v4() & maskOf(length_));
    return;
  }
  address_ = fromWide(toWide(address) & ~lowBits(address.bits() - length_), address.family());
}

Result<Prefix> Prefix::parse(std::string_view text) {
  TWILL_TRY(Split split, parseWithLength(text));
  Prefix prefix(split.address, split.length);
  if (prefix.address() != split.address) {
    return fail(fmt::format("'{}' has host bits set; did you mean {}?", text, prefix.text()),
                Error::Kind::invalid);
  }
  return prefix;
}

bool Prefix::contains(const IpAddress& other) const {
  if (other.family() != family()) return false;
  if (isV4()) return ((other.v4() ^ address_.v4()) & maskOf(length_)) == 0;
  return Prefix(other, length_).address_ == address_;
}

bool Prefix::contains(const Prefix& other) const {
  return other.length_ >= length_ && contains(other.address_);
}

bool Prefix::overlaps(const Prefix& other) const {
  return contains(other) || other.contains(*this);
}

std::uint64_t Prefix::size() const {
  int hostBits = address_.bits() - length_;
  return hostBits >= 63 ? kSaturated : 1ULL << static_cast<unsigned>(hostBits);
}

IpAddress Prefix::last() const {
  return fromWide(toWide(address_) | lowBits(address_.bits() - length_), family());
}

Prefix Prefix::subnet(int length, std::uint64_t n) const {
  Wide offset = Wide{n} << static_cast<unsigned>(address_.bits() - length);
  return {fromWide(toWide(address_) + offset, family()), length};
}

std::uint64_t Prefix::indexOf(const Prefix& inner) const {
  Wide offset = toWide(inner.address_) - toWide(address_);
  Wide index = inner.length_ == 0 ? 0 : offset >> static_cast<unsigned>(address_.bits() - inner.length_);
  return index > kSaturated ? kSaturated : static_cast<std::uint64_t>(index);
}

std::string Prefix::text() const {
  return fmt::format("{}/{}", address_.text(), length_);
}

Result<InterfaceAddress> InterfaceAddress::parse(std::string_view text) {
  TWILL_TRY(Split split, parseWithLength(text));
  return InterfaceAddress{split.address, split.length};
}

std::string InterfaceAddress::text() const {
  return fmt::format("{}/{}", address.text(), length);
}

Result<MacAddress> MacAddress::parse(std::string_view text) {
  MacAddress mac;
  bool good = text.size() == 17;
  for (std::size_t i = 0; good && i < 6; ++i) {
    const char* start = text.data() + i * 3;
    auto [end, problem] = std::from_chars(start, start + 2, mac.bytes[i], 16);
    good = problem == std::errc() && end == start + 2 && (i == 5 || start[2] == ':');
  }
  if (!good) {
    return fail(fmt::format("'{}' is not a MAC address; expected aa:bb:cc:dd:ee:ff", text.substr(0, 64)),
                Error::Kind::invalid);
  }
  return mac;
}

MacAddress MacAddress::derive(std::string_view seed) {
  const std::uint64_t hash = fnv1a(seed);
  MacAddress mac;
  for (auto& byte : mac.bytes)
    byte = static_cast<std::uint8_t>(hash >> (8U * static_cast<unsigned>(&byte - mac.bytes.data())));
  mac.bytes[0] = static_cast<std::uint8_t>((mac.bytes[0] & 0xfcU) | 0x02U);
  return mac;
}

IpAddress MacAddress::linkLocal() const {
  const auto first = static_cast<std::uint8_t>(bytes[0] ^ 0x02U);
  return IpAddress::fromBytes(std::array<std::uint8_t, 16>{
      0xfe, 0x80, 0, 0, 0, 0, 0, 0, first, bytes[1], bytes[2], 0xff, 0xfe, bytes[3], bytes[4], bytes[5]});
}

std::string MacAddress::text() const {
  return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", bytes[0], bytes[1], bytes[2], bytes[3],
                     bytes[4], bytes[5]);
}

}  // namespace twill
