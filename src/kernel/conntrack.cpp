// SPDX-License-Identifier: Apache-2.0
#include "kernel/conntrack.hpp"

#include <vector>

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

#include "kernel/netlink.hpp"

namespace twill {
namespace {

using netlink::Attributes;
using netlink::Bytes;

/// What a deletion needs to name one flow.
struct Flow {
  std::uint8_t family = 0;
  std::vector<std::uint8_t> tuple;  ///< CTA_TUPLE_ORIG
  std::vector<std::uint8_t> zone;   ///< CTA_ZONE; empty in the usual one
};

constexpr std::uint16_t typeOf(int message) {
  return static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | message);
}

std::uint16_t bigEndian16(Bytes bytes) {
  return bytes.size() == 2 ? static_cast<std::uint16_t>(bytes[0] << 8 | bytes[1]) : std::uint16_t{0};
}

bool leadsTo(const Attributes& tuple, const std::set<IpAddress>& addresses,
             const std::set<std::uint16_t>& ports) {
  const auto transport = tuple.nest(CTA_TUPLE_PROTO);
  if (transport.u8(CTA_PROTO_NUM) != std::uint8_t{IPPROTO_UDP}) return false;
  if (!ports.contains(bigEndian16(transport.bytes(CTA_PROTO_DST_PORT)))) return false;
  const auto ends = tuple.nest(CTA_TUPLE_IP);
  const auto to = ends.address(ends.has(CTA_IP_V4_DST) ? CTA_IP_V4_DST : CTA_IP_V6_DST);
  return to && addresses.contains(*to);
}

Result<void> remove(netlink::Socket& socket, const Flow& flow) {
  netlink::Message request(typeOf(IPCTNL_MSG_CT_DELETE), 0);
  request.header<nfgenmsg>().nfgen_family = flow.family;
  request.put(CTA_TUPLE_ORIG | NLA_F_NESTED, flow.tuple);
  if (!flow.zone.empty()) request.put(CTA_ZONE, flow.zone);
  auto removed = socket.run(request);
  const bool gone = !removed && removed.error().code == ENOENT;
  return gone ? Result<void>() : removed;
}

}  // namespace

Result<void> forgetUdpFlows(const std::set<IpAddress>& addresses, const std::set<std::uint16_t>& ports) {
  TWILL_TRY(auto socket, netlink::Socket::open(NETLINK_NETFILTER));
  std::vector<Flow> found;
  netlink::Message request(typeOf(IPCTNL_MSG_CT_GET), 0);
  request.header<nfgenmsg>();
  TWILL_CHECK(socket.dump(request, [&](const netlink::Received& message) {
    const auto header = netlink::headerOf<nfgenmsg>(message.payload);
    if (!header) return;
    const Attributes flow(message.payload, sizeof(nfgenmsg));
    if (!leadsTo(flow.nest(CTA_TUPLE_ORIG), addresses, ports)) return;
    const auto copy = [&](std::uint16_t type) {
      const auto bytes = flow.bytes(type);
      return std::vector<std::uint8_t>(bytes.begin(), bytes.end());
    };
    found.push_back({header->nfgen_family, copy(CTA_TUPLE_ORIG), copy(CTA_ZONE)});
  }));
  for (const Flow& flow : found) TWILL_CHECK(remove(socket, flow));
  return {};
}

}  // namespace twill
