// SPDX-License-Identifier: Apache-2.0
#include "kernel/neighbour.hpp"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace twill::netlink {

std::optional<NeighbourMessage> decodeNeighbour(Bytes payload) {
  const auto header = headerOf<ndmsg>(payload);
  if (!header || (header->ndm_family != AF_INET && header->ndm_family != AF_INET6)) return std::nullopt;
  const Attributes attributes(payload, sizeof(ndmsg));
  const auto address = attributes.address(NDA_DST);
  if (!address || address->isV4() != (header->ndm_family == AF_INET)) return std::nullopt;
  NeighbourMessage out;
  out.index = header->ndm_ifindex;
  out.neighbour.proxy = (header->ndm_flags & NTF_PROXY) != 0;
  out.permanent = out.neighbour.proxy || (header->ndm_state & NUD_PERMANENT) != 0;
  out.neighbour.address = *address;
  out.neighbour.mac = attributes.mac(NDA_LLADDR).value_or(MacAddress{});
  out.neighbour.protocol = attributes.u8(NDA_PROTOCOL).value_or(0);
  return out;
}

std::optional<ForwardingMessage> decodeForwarding(Bytes payload) {
  const auto header = headerOf<ndmsg>(payload);
  if (!header || header->ndm_family != AF_BRIDGE || (header->ndm_flags & NTF_SELF) == 0) return std::nullopt;
  const Attributes attributes(payload, sizeof(ndmsg));
  const auto mac = attributes.mac(NDA_LLADDR);
  const auto node = attributes.address(NDA_DST);
  if (!mac || !node) return std::nullopt;
  ForwardingMessage out;
  out.index = header->ndm_ifindex;
  out.permanent = (header->ndm_state & NUD_PERMANENT) != 0;
  out.entry.mac = *mac;
  out.entry.node = *node;
  return out;
}

void encodeForwardingFilter(Message& message, int index) {
  auto& header = message.header<ndmsg>();
  header.ndm_family = AF_BRIDGE;
  header.ndm_ifindex = index;
}

void encodeForwarding(Message& message, const ForwardingEntry& entry, int index) {
  auto& header = message.header<ndmsg>();
  header.ndm_family = AF_BRIDGE;
  header.ndm_ifindex = index;
  header.ndm_state = NUD_PERMANENT;
  header.ndm_flags = NTF_SELF;
  message.putMac(NDA_LLADDR, entry.mac);
  message.putAddress(NDA_DST, entry.node);
}

void encodeNeighbour(Message& message, const Neighbour& neighbour, int index) {
  encodeDeleteNeighbour(message, neighbour, index);
  if (!neighbour.proxy) message.putMac(NDA_LLADDR, neighbour.mac);
  message.putU8(NDA_PROTOCOL, kProtocol);
}

void encodeDeleteNeighbour(Message& message, const Neighbour& neighbour, int index) {
  auto& header = message.header<ndmsg>();
  header.ndm_family = neighbour.address.isV4() ? AF_INET : AF_INET6;
  header.ndm_ifindex = index;
  header.ndm_state = NUD_PERMANENT;
  if (neighbour.proxy) header.ndm_flags = NTF_PROXY;
  header.ndm_type = RTN_UNICAST;
  message.putAddress(NDA_DST, neighbour.address);
}

}  // namespace twill::netlink
