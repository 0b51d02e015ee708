// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "net/address.hpp"

namespace twill::tc {

/// Where on a link a program is, among others that are asked before and after it (clsact, tc-bpf(8)).
struct Place {
  int link = 0;           ///< index
  bool entrance = false;  ///< ingress, else egress
  std::uint16_t priority = 0;
  auto operator<=>(const Place&) const = default;
};

/// Attaches it, in place of what is there. Returns the program's id.
[[nodiscard]] Result<std::uint32_t> attach(int program, const Place& place);
/// Whatever is there; nothing may be, and the link may be gone.
void detach(const Place& place);
/// Whether that program is there. Asks the kernel.
[[nodiscard]] bool holds(const Place& place, std::uint32_t program);

/// From now on what libbpf says is kept for failLoad(), and not written to stderr.
void listen();
/// Why the kernel has refused programs, with the verifier's own reason; `code` is errno. `what`: "load ...".
[[nodiscard]] Failure failLoad(std::string_view what, int code);

/// 16 bytes as the programs' maps have them: ::ffff:a.b.c.d for IPv4.
[[nodiscard]] std::array<std::uint8_t, 16> mapped(const IpAddress& address);

/// The key of a prefix in the programs' tries (bpf/prefix_key.h).
[[nodiscard]] std::string keyOf(const Prefix& prefix);

template <class T>
[[nodiscard]] std::string bytesOf(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

/// A map's entries: bytes of key and value.
using Entries = std::map<std::string, std::string>;
/// Makes the map, which holds `written`, hold `wanted`; `written` is what it holds then, after a failure too.
[[nodiscard]] Result<void> write(int map, const Entries& wanted, Entries& written);

/// So many values has an entry of a map for each CPU.
[[nodiscard]] std::size_t cpus();

}  // namespace twill::tc
