// SPDX-License-Identifier: Apache-2.0
#include "attach/quarantine.hpp"

#include <algorithm>

namespace twill {

std::string holderOf(const Attachment& attachment, const NodeNetwork& node,
                     const std::vector<Lease>& leases) {
  for (const auto& [address, length] : attachment.addresses) {
    if (node.holds(address)) continue;
    const auto holder = std::find_if(leases.begin(), leases.end(), [&, at = address](const Lease& lease) {
      const auto& subnet = lease.subnetOf(at.family());
      return subnet && subnet->contains(at);
    });
    if (holder != leases.end()) return holder->name();
  }
  return {};
}

}  // namespace twill
