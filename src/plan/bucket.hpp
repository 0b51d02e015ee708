// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "model/attachment.hpp"

namespace twill {

/// A rate limit in the units and bounds of the kernel's token bucket filter (tbf).
struct Bucket {
  std::uint64_t bytesPerSecond = 1;
  std::uint32_t burst = 0;  ///< bytes that may go at once
  std::uint32_t limit = 0;  ///< bytes that may be on their way through it; what is more is dropped

  auto operator<=>(const Bucket&) const = default;
};

/// MTU of a veth that was made without one (ETH_DATA_LEN).
inline constexpr int kDefaultMtu = 1500;

/// Nearest to `rate` that tbf can do on a link with that MTU. The burst is long enough for the longest frame,
/// which would never get through otherwise, and not longer than what the rate lets through in 256 s: tbf
/// tells it as a time, in 32 bits of 64 ns. The queue holds 25 ms more than the burst, as that of the stock
/// bandwidth plugin.
[[nodiscard]] Bucket bucketOf(const Rate& rate, int mtu);

}  // namespace twill
