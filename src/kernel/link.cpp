// SPDX-License-Identifier: Apache-2.0
#include "kernel/link.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/if_tunnel.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "plan/words.hpp"

namespace twill::netlink {
namespace {

/// Nothing says who owns it when nobody does, and then any user may attach.
bool isKeptTun(const Attributes& data) {
  return data.u8(IFLA_TUN_TYPE) == IFF_TUN && data.u32(IFLA_TUN_OWNER) == 0U &&
         data.u8(IFLA_TUN_PERSIST) == 1 && data.u8(IFLA_TUN_VNET_HDR) == 1 && data.u8(IFLA_TUN_PI) == 0 &&
         data.u8(IFLA_TUN_MULTI_QUEUE) == 0;
}

/// The lowest bit of a tunnel's TOS: "the inner packet's".
constexpr std::uint8_t kTosInherited = 1;

/// What `protocol` the driver puts into IPv4 packets, for whoever the route names. The names of sit's
/// attributes are those of ipip.
bool isOurIpTunnel(const Attributes& data, std::uint8_t protocol) {
  return data.u8(IFLA_IPTUN_PROTO) == protocol && data.u32(IFLA_IPTUN_REMOTE).value_or(0) == 0 &&
         data.u32(IFLA_IPTUN_LINK).value_or(0) == 0 && data.u8(IFLA_IPTUN_TTL) == kIpTunnelTtl &&
         data.u8(IFLA_IPTUN_TOS) == kTosInherited && data.u8(IFLA_IPTUN_PMTUDISC) == 1 &&
         data.port(IFLA_IPTUN_FLAGS).value_or(0) == 0 && data.port(IFLA_IPTUN_ENCAP_TYPE).value_or(0) == 0 &&
         !data.has(IFLA_IPTUN_COLLECT_METADATA);
}

LinkKind kindOf(const Attributes& info) {
  const auto kind = info.text(IFLA_INFO_KIND);
  if (kind == "bridge") return LinkKind::bridge;
  if (kind == "veth") return LinkKind::veth;
  if (kind == "vxlan") return LinkKind::vxlan;
  if (kind == "tun" && isKeptTun(info.nest(IFLA_INFO_DATA))) return LinkKind::tun;
  const auto data = info.nest(IFLA_INFO_DATA);
  if (kind == "ipip" && isOurIpTunnel(data, IPPROTO_IPIP)) return LinkKind::ipip;
  if (kind == "sit" && isOurIpTunnel(data, IPPROTO_IPV6)) return LinkKind::sit;
  return LinkKind::other;
}

std::optional<bool> hairpinOf(const Attributes& port) {
  const auto mode = port.u8(IFLA_BRPORT_MODE);
  return mode ? std::optional(*mode != 0) : std::nullopt;
}

/// Nothing for one whose packets say by themselves where they go ("external"): no such is Twill's.
std::optional<Vxlan> vxlanOf(const Attributes& data) {
  const auto vni = data.u32(IFLA_VXLAN_ID);
  auto local = data.address(IFLA_VXLAN_LOCAL);
  if (!local) local = data.address(IFLA_VXLAN_LOCAL6);
  if (!vni) return std::nullopt;
  Vxlan out{.vni = *vni, .local = local.value_or(IpAddress())};  // others' devices may do without
  out.port = data.port(IFLA_VXLAN_PORT).value_or(0);
  out.learning = data.u8(IFLA_VXLAN_LEARNING).value_or(0) != 0;
  out.gbp = data.has(IFLA_VXLAN_GBP);
  return out;
}

/// MAC and MTU, which a link can be born with.
void putBirthright(Message& message, const std::optional<MacAddress>& mac, const std::optional<int>& mtu) {
  if (mac) message.putMac(IFLA_ADDRESS, *mac);
  if (mtu) message.putU32(IFLA_MTU, static_cast<std::uint32_t>(*mtu));
}

}  // namespace

std::optional<LinkMessage> decodeLink(Bytes payload) {
  const auto header = headerOf<ifinfomsg>(payload);
  if (!header || header->ifi_index <= 0) return std::nullopt;
  const Attributes attributes(payload, sizeof(ifinfomsg));
  LinkMessage out;
  out.link.index = header->ifi_index;
  out.fromBridge = header->ifi_family == AF_BRIDGE;
  if (out.fromBridge) {
    out.link.hairpin = hairpinOf(attributes.nest(IFLA_PROTINFO));
    return out;
  }
  const auto info = attributes.nest(IFLA_LINKINFO);
  out.link.name = attributes.text(IFLA_IFNAME);
  out.link.kind = kindOf(info);
  out.link.alias = attributes.text(IFLA_IFALIAS);
  out.link.up = (header->ifi_flags & IFF_UP) != 0;
  out.link.running = (header->ifi_flags & IFF_RUNNING) != 0;
  out.link.loopback = (header->ifi_flags & IFF_LOOPBACK) != 0;
  out.link.mtu = static_cast<int>(attributes.u32(IFLA_MTU).value_or(0) & 0x7fffffffU);
  out.link.mac = attributes.mac(IFLA_ADDRESS);
  if (info.text(IFLA_INFO_SLAVE_KIND) == "bridge") {
    out.link.hairpin = hairpinOf(info.nest(IFLA_INFO_SLAVE_DATA));
  }
  out.master = static_cast<int>(attributes.u32(IFLA_MASTER).value_or(0));
  out.peerIndex = static_cast<int>(attributes.u32(IFLA_LINK).value_or(0));
  if (out.link.kind == LinkKind::vxlan) {
    const auto data = info.nest(IFLA_INFO_DATA);
    if (auto vxlan = vxlanOf(data)) out.link.vxlan = std::move(*vxlan);
    out.underlay = static_cast<int>(data.u32(IFLA_VXLAN_LINK).value_or(0));
  }
  if (out.link.kind == LinkKind::ipip || out.link.kind == LinkKind::sit) {
    const auto data = info.nest(IFLA_INFO_DATA);
    out.link.ipTunnel = IpTunnel{.local = data.address(IFLA_IPTUN_LOCAL).value_or(IpAddress())};
  }
  if (out.link.name.empty() || out.link.name.size() >= IFNAMSIZ) return std::nullopt;
  return out;
}

Result<void> checkLinkName(std::string_view name) {
  const bool fine = !name.empty() && name.size() < IFNAMSIZ && name != "." && name != ".." &&
                    std::all_of(name.begin(), name.end(), [](unsigned char c) {
                      return c != '/' && c != ':' && c != 0 && std::isspace(c) == 0;
                    });
  if (fine) return {};
  return fail(fmt::format("'{}' cannot name an interface; expected 1 to {} characters, no blank, '/' or ':'",
                          name.substr(0, 64), IFNAMSIZ - 1),
              Error::Kind::invalid);
}

void encodeNewBridge(Message& message, const Link& link) {
  message.header<ifinfomsg>().ifi_family = AF_UNSPEC;
  message.putText(IFLA_IFNAME, link.name);
  // Not the MTU: a bridge keeps one that is set later, but adapts one it was born with to its ports.
  putBirthright(message, link.mac, std::nullopt);
  message.nest(IFLA_LINKINFO, [&] {
    message.putText(IFLA_INFO_KIND, "bridge");
    // Snooping spares nobody anything where no router asks who listens: all is flooded then. But with it the
    // kernel sets timers anew for all ports whenever one comes up.
    message.nest(IFLA_INFO_DATA, [&] { message.putU8(IFLA_BR_MCAST_SNOOPING, 0); });
  });
}

void encodeNewVxlan(Message& message, const Link& link, int underlay) {
  const Vxlan& vxlan = *link.vxlan;
  message.header<ifinfomsg>();
  message.putText(IFLA_IFNAME, link.name);
  putBirthright(message, link.mac, link.mtu);
  message.nest(IFLA_LINKINFO, [&] {
    message.putText(IFLA_INFO_KIND, "vxlan");
    message.nest(IFLA_INFO_DATA, [&] {
      message.putU32(IFLA_VXLAN_ID, vxlan.vni);
      message.putU32(IFLA_VXLAN_LINK, static_cast<std::uint32_t>(underlay));
      message.putAddress(vxlan.local.isV4() ? IFLA_VXLAN_LOCAL : IFLA_VXLAN_LOCAL6, vxlan.local);
      message.putPort(IFLA_VXLAN_PORT, vxlan.port);
      message.putU8(IFLA_VXLAN_LEARNING, vxlan.learning ? 1 : 0);
      message.putU8(IFLA_VXLAN_UDP_CSUM, 1);  // over IPv4, too: what is inside may lack a checksum of its own
      if (vxlan.gbp) message.putFlag(IFLA_VXLAN_GBP);
    });
  });
}

void encodeNewIpTunnel(Message& message, const Link& link) {
  message.header<ifinfomsg>();
  message.putText(IFLA_IFNAME, link.name);
  putBirthright(message, std::nullopt, link.mtu);
  message.nest(IFLA_LINKINFO, [&] {
    message.putText(IFLA_INFO_KIND, kindWord(link.kind));
    message.nest(IFLA_INFO_DATA, [&] {
      message.putAddress(IFLA_IPTUN_LOCAL, link.ipTunnel->local);
      message.putU8(IFLA_IPTUN_TTL, kIpTunnelTtl);
      message.putU8(IFLA_IPTUN_TOS, kTosInherited);
      message.putU8(IFLA_IPTUN_PMTUDISC, 1);
    });
  });
}

void encodeImpossibleIpTunnel(Message& message, LinkKind kind) {
  message.header<ifinfomsg>();
  message.nest(IFLA_LINKINFO, [&] {
    message.putText(IFLA_INFO_KIND, kindWord(kind));
    message.nest(IFLA_INFO_DATA, [&] { message.putU8(IFLA_IPTUN_PROTO, IPPROTO_TCP); });
  });
}

void encodeNewVeth(Message& message, const Link& link, int master, int peerNetns) {
  auto& header = message.header<ifinfomsg>();
  header.ifi_change = IFF_UP;
  header.ifi_flags = link.up ? unsigned{IFF_UP} : 0U;
  message.putText(IFLA_IFNAME, link.name);
  putBirthright(message, link.mac, link.mtu);
  if (master != 0) message.putU32(IFLA_MASTER, static_cast<std::uint32_t>(master));
  message.nest(IFLA_LINKINFO, [&] {
    message.putText(IFLA_INFO_KIND, "veth");
    message.nest(IFLA_INFO_DATA, [&] {
      message.nest(VETH_INFO_PEER, [&] {
        message.putInnerHeader<ifinfomsg>();
        message.putText(IFLA_IFNAME, link.peer->name);
        putBirthright(message, link.peer->mac.isZero() ? std::nullopt : std::optional(link.peer->mac),
                      link.mtu);
        message.putU32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(peerNetns));
      });
    });
  });
}

void encodeLinkSettings(Message& message, const Link& link, std::optional<int> master) {
  auto& header = message.header<ifinfomsg>();
  header.ifi_change = IFF_UP;
  header.ifi_flags = link.up ? unsigned{IFF_UP} : 0U;
  message.putText(IFLA_IFNAME, link.name);
  message.putText(IFLA_IFALIAS, link.alias);
  putBirthright(message, link.mac, link.mtu);
  if (master) message.putU32(IFLA_MASTER, static_cast<std::uint32_t>(*master));
}

void encodeLinkUp(Message& message, int index) {
  auto& header = message.header<ifinfomsg>();
  header.ifi_index = index;
  header.ifi_change = IFF_UP;
  header.ifi_flags = IFF_UP;
}

void encodeNoLinkLocal(Message& message, std::string_view name) {
  message.header<ifinfomsg>();
  message.putText(IFLA_IFNAME, name);
  message.nest(IFLA_AF_SPEC, [&] {
    message.nest(AF_INET6, [&] { message.putU8(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE); });
  });
}

void encodeHairpin(Message& message, int index, bool on) {
  auto& header = message.header<ifinfomsg>();
  header.ifi_family = AF_BRIDGE;
  header.ifi_index = index;
  message.nest(IFLA_PROTINFO, [&] { message.putU8(IFLA_BRPORT_MODE, on ? 1 : 0); });
}

void encodeNoGso(Message& message, std::string_view name, int mtu) {
  message.header<ifinfomsg>();
  message.putText(IFLA_IFNAME, name);
  // Either alone would leave something: TCP goes by the count, and a packet that came in by a TUN device or
  // was changed by eBPF does not have one.
  message.putU32(IFLA_GSO_MAX_SEGS, 1);
  message.putU32(IFLA_GSO_MAX_SIZE, static_cast<std::uint32_t>(mtu));
}

void encodeLinkGroup(Message& message, std::string_view name, std::uint32_t group) {
  message.header<ifinfomsg>();
  message.putText(IFLA_IFNAME, name);
  message.putU32(IFLA_GROUP, group);
}

void encodeDeleteLink(Message& message, std::string_view name) {
  message.header<ifinfomsg>();
  message.putText(IFLA_IFNAME, name);
}

void encodeDeleteLinkGroup(Message& message, std::uint32_t group) {
  message.header<ifinfomsg>();
  message.putU32(IFLA_GROUP, group);
}

void encodeGetLink(Message& message, std::string_view name) {
  message.header<ifinfomsg>();
  message.putText(IFLA_IFNAME, name);
}

void encodeLinkFilter(Message& message) {
  message.header<ifinfomsg>();
  message.putU32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
}

}  // namespace twill::netlink
