// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace twill {

/// Whether VXLAN devices leave the checksums of containers' packets to the network card.
struct ChecksumOffload {
  bool on = true;
  std::string reason;  ///< for `twill status`

  auto operator<=>(const ChecksumOffload&) const = default;
};

/// `setting`: --vxlan-checksum-offload, of which "auto" means on, but for drivers that are known to get it
/// wrong. `link`, `driver`: of the underlay.
[[nodiscard]] ChecksumOffload chooseChecksumOffload(std::string_view setting, std::string_view link,
                                                    std::string_view driver);

}  // namespace twill
