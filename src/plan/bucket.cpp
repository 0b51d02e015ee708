// SPDX-License-Identifier: Apache-2.0
#include "plan/bucket.hpp"

#include <algorithm>
#include <limits>

namespace twill {
namespace {

constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t kLongestBurst = 256;   // seconds
constexpr std::uint64_t kLatencyDivisor = 40;  // 25 ms
constexpr std::uint64_t kFrameHeader = 18;     // Ethernet with a VLAN tag

}  // namespace

Bucket bucketOf(const Rate& rate, int mtu) {
  const std::uint64_t bytesPerSecond = std::max<std::uint64_t>(rate.bitsPerSecond / 8, 1);
  const std::uint64_t longest =
      bytesPerSecond < kMost / kLongestBurst ? bytesPerSecond * kLongestBurst : kMost;
  const auto frame = static_cast<std::uint64_t>(mtu) + kFrameHeader;
  const std::uint64_t burst = std::max(std::min(rate.burstBits / 8, longest), frame);
  const std::uint64_t limit = std::min(bytesPerSecond / kLatencyDivisor + burst, kMost);
  return {.bytesPerSecond = bytesPerSecond,
          .burst = static_cast<std::uint32_t>(burst),
          .limit = static_cast<std::uint32_t>(limit)};
}

}  // namespace twill
