// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "model/cluster.hpp"

namespace twill {

/// A lease as flannel keeps it in etcd: the key's part behind "<prefix>/subnets/", and the value.
struct LeaseRecord {
  std::string key;    ///< "10.5.51.0-24", with IPv6 "10.5.48.0-24&fd05:0:0:18::-64"
  std::string value;  ///< {"PublicIP":"192.0.2.1","PublicIPv6":null,"BackendType":"host-gw"}

  bool operator==(const LeaseRecord&) const = default;
};

/// Byte for byte what flannel writes: no node's name, and no type for its backends without data of their own
/// (udp). Kind::invalid: the lease has no IPv4 subnet, which this layout needs.
[[nodiscard]] Result<LeaseRecord> toRecord(const Lease& lease);

/// The lease in a record; its node has no name. Errors name key and value, and what was expected.
[[nodiscard]] Result<Lease> parseRecord(std::string_view key, std::string_view value);

}  // namespace twill
