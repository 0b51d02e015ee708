// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "trace/walk.hpp"

namespace twill::trace {

/// The outer packet that a VXLAN device of `place` makes around one for `mac`; nothing when no forwarding
/// entry says behind which node that is.
[[nodiscard]] std::optional<Tunnel> encapsulate(const Place& place, const Link& device,
                                                const MacAddress& mac);

/// The same for a device whose packets a process carries, as Place::udp says; nothing when `dst` is behind no
/// peer.
[[nodiscard]] std::optional<Tunnel> encapsulateByUdp(const Place& place, const IpAddress& dst);

/// The device that takes the inner packet out at `place`, or why none does.
[[nodiscard]] Result<std::string> decapsulate(const Place& place, const Tunnel& tunnel,
                                              const MacAddress& mac);
/// `src` of the inner packet has to be the sender's.
[[nodiscard]] Result<std::string> decapsulateByUdp(const Place& place, const Tunnel& tunnel,
                                                   const IpAddress& src);

/// The same for ipip's program at a device's exit, which `device` has; and for the one at an entrance of
/// `place`, by which the outer packet came in, or the driver there: `tunnel` has its road. `src` and `dst`
/// are the inner packet's.
[[nodiscard]] std::optional<Tunnel> encapsulateByIpip(const Interface& device, const IpAddress& dst);
/// And for a driver's device, which has an ipTunnel; nothing when the next hop is none that it can send to.
[[nodiscard]] std::optional<Tunnel> encapsulateByDriver(const Link& device, const IpAddress& nextHop);
[[nodiscard]] Result<std::string> decapsulateByIpip(const Place& place, const Tunnel& tunnel,
                                                    const IpAddress& src, const IpAddress& dst);

/// The hop that sends the packet on with the least MTU; null when it goes nowhere.
[[nodiscard]] const Hop* narrowest(const Trace& trace);

}  // namespace twill::trace
