// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

/// What a node tells of itself along with its subnets: its lease, as text in BGP's large communities, which
/// routers hand on untouched (docs/adr/0016). Pure.
namespace twill::bgp {

/// RFC 8092: three numbers, the first one an AS's.
struct LargeCommunity {
  std::uint32_t administrator = 0;
  std::uint32_t first = 0;
  std::uint32_t second = 0;

  auto operator<=>(const LargeCommunity&) const = default;
};

/// Marks Twill's own: of the AS numbers for private use (RFC 6996) the one that ends in "twi".
inline constexpr std::uint32_t kAdministrator = 0xfa747769;
/// A BGP message has 4096 bytes (RFC 4271) and a community 12, of which 7 are ours.
inline constexpr std::size_t kLongestRecord = 1400;

/// In an order of their own. Kind::invalid: the text is too long.
[[nodiscard]] Result<std::vector<LargeCommunity>> toCommunities(std::string_view text);
/// In any order, and among others' communities. Kind::missing: none of Twill's is there; Kind::invalid: they
/// are no whole record.
[[nodiscard]] Result<std::string> fromCommunities(std::span<const LargeCommunity> communities);

/// Never 0. Goes with the route as its metric (MED), and into the kernel as its TCP window: there another
/// record is seen without asking BIRD.
[[nodiscard]] std::uint32_t digestOf(std::string_view text);

}  // namespace twill::bgp
