// SPDX-License-Identifier: Apache-2.0
#include "kernel/address.hpp"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace twill::netlink {

std::optional<AddressMessage> decodeAddress(Bytes payload) {
  const auto header = headerOf<ifaddrmsg>(payload);
  if (!header || (header->ifa_family != AF_INET && header->ifa_family != AF_INET6)) return std::nullopt;
  const Attributes attributes(payload, sizeof(ifaddrmsg));
  // IFA_ADDRESS is the far end of a point-to-point link; IPv6 names only that one on ordinary links.
  auto local = attributes.address(IFA_LOCAL);
  if (!local) local = attributes.address(IFA_ADDRESS);
  if (!local || local->isV4() != (header->ifa_family == AF_INET)) return std::nullopt;
  if (header->ifa_prefixlen > local->bits()) return std::nullopt;
  const std::uint32_t flags = attributes.u32(IFA_FLAGS).value_or(header->ifa_flags);
  // In IPv4 the bit of IFA_F_TEMPORARY means "secondary", which is as good as any other.
  const std::uint32_t bad = IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_DEPRECATED |
                            (local->isV4() ? 0U : std::uint32_t{IFA_F_TEMPORARY});
  AddressMessage out;
  out.index = static_cast<int>(header->ifa_index);
  out.address.address = {.address = *local, .length = header->ifa_prefixlen};
  out.address.protocol = attributes.u8(IFA_PROTO).value_or(0);
  out.address.usable = (flags & bad) == 0;
  return out;
}

/// lo has this ifindex in every network namespace (LOOPBACK_IFINDEX, include/net/flow.h).
constexpr int kLoopback = 1;

void encodeAddress(Message& message, const InterfaceAddress& address, int index, std::uint8_t protocol) {
  auto& header = message.header<ifaddrmsg>();
  const bool v4 = address.address.isV4();
  header.ifa_family = v4 ? AF_INET : AF_INET6;
  header.ifa_prefixlen = static_cast<std::uint8_t>(address.length);
  header.ifa_index = static_cast<std::uint32_t>(index);
  header.ifa_scope = address.address.isLinkLocal() ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  if (index == kLoopback) header.ifa_scope = RT_SCOPE_HOST;  // never a source address for others
  message.putAddress(IFA_LOCAL, address.address);
  message.putAddress(IFA_ADDRESS, address.address);
  if (v4 && address.length < 31) message.putAddress(IFA_BROADCAST, address.prefix().last());
  if (!v4) message.putU32(IFA_FLAGS, IFA_F_NODAD);
  message.putU8(IFA_PROTO, protocol);
}

}  // namespace twill::netlink
