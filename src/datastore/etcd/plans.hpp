// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "datastore/etcd/picture.hpp"

/// What to write so that something holds, decided from the picture alone. Pure. A Write with neither key nor
/// erased: it holds already. It is right as long as nobody has written meanwhile, which etcd checks.
namespace twill::etcd {

[[nodiscard]] inline bool isNothing(const Write& write) {
  return write.key.empty() && write.erased.empty();
}

/// `mine` as this node's lease, on the etcd lease of that number; what was reserved for it stays so.
/// `before`: what this node published last, perhaps at another address. Kind::conflict: somebody else holds
/// the subnet, or a part of it.
[[nodiscard]] Result<Write> planLease(const Picture& picture, const Lease& mine,
                                      const std::optional<Lease>& before, std::int64_t etcdLease);
/// A lease that stays for ever, for the node at `lease`'s public address. Kind::conflict as above, also when
/// that node has another subnet.
[[nodiscard]] Result<Write> planReservation(const Picture& picture, const Lease& lease);
/// No lease of that subnet. Kind::missing: there is none.
[[nodiscard]] Result<Write> planRelease(const Picture& picture, const Prefix& subnet);
[[nodiscard]] Write planConfig(const Picture& picture, const std::string& text);

}  // namespace twill::etcd
