// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "net/address.hpp"

/// The reservations of the host-local plugin (containernetworking/plugins, plugins/ipam/host-local): a file
/// DIRECTORY/<network>/<address> that holds container id and interface name on two lines. A network whose
/// containers it served may be ours now.
namespace twill::hostLocal {

[[nodiscard]] bool isReserved(const std::string& directory, const std::string& network,
                              const IpAddress& address);

/// Gives up what it holds for this interface; none is fine.
void release(const std::string& directory, const std::string& network, const std::string& containerId,
             const std::string& ifname);

}  // namespace twill::hostLocal
