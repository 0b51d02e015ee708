// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
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
inline constexpr std::string_view kFastPathPrograms = "twill_fast_";  ///< bpf/fast_path.bpf.c

/// Takes all programs whose names begin so, but for those with these ids, from the links that they are at, in
/// the calling thread's network namespace. Returns those links.
Result<std::vector<std::string>> removePrograms(std::string_view names,
                                                const std::set<std::uint32_t>& but = {});

/// Whether a program whose name begins so is at the link's entrance; asks in the socket's network namespace.
[[nodiscard]] Result<bool> hasProgram(netlink::Socket& socket, int link, std::string_view names);

}  // namespace twill
