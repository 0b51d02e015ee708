// SPDX-License-Identifier: Apache-2.0
#include "backend/checksum_offload.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace twill {
namespace {

struct Fault {
  std::string_view driver;
  std::string_view what;
};

/// Not here: kernels before 5.7 give VXLAN packets a wrong outer checksum when they masquerade them, but only
/// those that had none before (linux commit ea64d8d6c675), and devices of ours always send one.
constexpr std::array kFaults{
    // Offered since linux commit dacce2be3312; the hypervisor drops what it does not expect at that port.
    // b22580233d47 confines it to the ports 4789 and 8472, where it goes wrong, too, depending on the switch
    // below: github.com/projectcalico/calico issues 4727 and 9433.
    Fault{.driver = "vmxnet3",
          .what = "the hypervisor drops encapsulated packets whose checksums it is to complete"},
};

}  // namespace

ChecksumOffload chooseChecksumOffload(std::string_view setting, std::string_view link,
                                      std::string_view driver) {
  if (setting != "auto") {
    return {.on = setting == "on", .reason = fmt::format("--vxlan-checksum-offload is {}", setting)};
  }
  const auto fault =
      std::find_if(kFaults.begin(), kFaults.end(), [&](const Fault& one) { return one.driver == driver; });
  if (fault == kFaults.end()) {
    return {.on = true, .reason = fmt::format("nothing is known against the driver of {}", link)};
  }
  return {.on = false,
          .reason = fmt::format("{} has the driver {}, with which {}; --vxlan-checksum-offload decides", link,
                                driver, fault->what)};
}

}  // namespace twill
