// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace twill {

/// Who encapsulates: the kernel's drivers `ipip` and `sit`, or programs of ours. The same bytes on the wire.
struct IpipEngine {
  bool driver = false;
  std::string wanted;   ///< Backend.Engine
  std::string reason;   ///< for `twill status`
  std::string problem;  ///< it is not the one that was asked for; empty when it is

  auto operator<=>(const IpipEngine&) const = default;
  [[nodiscard]] std::string_view name() const { return driver ? "driver" : "ebpf"; }
};

/// `wanted`: "driver", "ebpf", and all else is "auto": the driver where there is one. `missing`: why there is
/// none; empty when there is.
[[nodiscard]] IpipEngine chooseIpipEngine(std::string_view wanted, std::string_view missing);

}  // namespace twill
