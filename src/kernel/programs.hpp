// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "kernel/netlink.hpp"

namespace twill {

/// How the names of programs begin, the kernel's limit of 15 characters in mind.
inline constexpr std::string_view kTunnelPrograms = "twill_udp_";     ///< bpf/udp_tunnel.bpf.c
inline constexpr std::string_view kIpipPrograms = "twill_ipip_";      ///< bpf/ipip.bpf.c
inline constexpr std::string_view kIpipSender = "twill_ipip_send";    ///< at the exit of its device
inline constexpr std::string_view kIpipReceiver = "twill_ipip_recv";  ///< at the underlay's entrance
inline constexpr std::string_view kPortPrograms = "twill_port";       ///< bpf/tunnel_port.bpf.c
inline constexpr std::string_view kFastPathPrograms = "twill_fast_";  ///< bpf/fast_path.bpf.c

/// Takes all programs whose names begin so, but for those with these ids, from the links that they are at, in
/// the calling thread's network namespace. Returns those links.
Result<std::vector<std::string>> removePrograms(std::string_view names,
                                                const std::set<std::uint32_t>& but = {});

/// The id of a program whose name begins so at the link's entrance, else at its exit; none when there is
/// none. Asks in the socket's network namespace.
[[nodiscard]] Result<std::optional<std::uint32_t>> findProgram(netlink::Socket& socket, int link,
                                                               bool entrance, std::string_view names);
/// Whether one is at the link's entrance.
[[nodiscard]] Result<bool> hasProgram(netlink::Socket& socket, int link, std::string_view names);

}  // namespace twill
