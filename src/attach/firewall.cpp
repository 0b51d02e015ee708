// SPDX-License-Identifier: Apache-2.0
#include "attach/firewall.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "attach/host_ports.hpp"
#include "plan/words.hpp"

namespace twill {
namespace {

constexpr const char* kOwner = "node";
constexpr std::string_view kGuard = "guard";  ///< all names of the spoof guard start so

/// A neighbour's connection is marked between the lookup of its port and the masquerade, where the mark is
/// taken off again. One bit, which is none of kube-proxy's (0x4000, 0x8000) or portmap's (0x2000).
constexpr std::uint32_t kMark = 0x1000;

Firewall::Set apart(std::string type, std::string declared = "") {
  return {.type = std::move(type), .apart = true, .declared = std::move(declared)};
}

Firewall portsShape() {
  Firewall table{.owner = kOwner};
  auto& sets = table.sets;
  sets["ports4"] = apart("inet_proto . inet_service : ipv4_addr . inet_service");
  sets["ports4_at"] = apart("ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service");
  sets["ports4_self"] = apart("ipv4_addr . ipv4_addr");
  sets["ports6"] = apart("inet_proto . inet_service : ipv6_addr . inet_service");
  sets["ports6_at"] = apart("ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service");
  sets["ports6_self"] = apart("ipv6_addr . ipv6_addr");
  const auto unmark = fmt::format("meta mark set meta mark & 0x{:08x}", ~kMark);
  const auto marked = fmt::format("meta mark & 0x{0:x} == 0x{0:x}", kMark);
  auto& chains = table.chains;
  chains["ports"].rules = {
      fmt::format("iifname \"twill0*\" meta mark set meta mark | 0x{:x}", kMark),
      "dnat ip to ip daddr . meta l4proto . th dport map @ports4_at",
      "dnat ip to meta l4proto . th dport map @ports4",
      // The kernel never routes ::1 to another interface.
      "ip6 daddr != ::1 dnat ip6 to ip6 daddr . meta l4proto . th dport map @ports6_at",
      "ip6 daddr != ::1 dnat ip6 to meta l4proto . th dport map @ports6",
      unmark,
  };
  chains["ports_prerouting"] = {"type nat hook prerouting priority dstnat",
                                {"fib daddr type local jump ports"}};
  chains["ports_output"] = {"type nat hook output priority -100", {"fib daddr type local jump ports"}};
  // Before the node's own masquerade, so that this one has the say.
  chains["ports_postrouting"] = {
      "type nat hook postrouting priority 99",
      {"oifname \"tw*\" ip saddr 127.0.0.0/8 ct status dnat masquerade",
       marked + " oifname \"twill0*\" " + unmark + " masquerade", marked + " " + unmark,
       "ip saddr . ip daddr @ports4_self masquerade", "ip6 saddr . ip6 daddr @ports6_self masquerade"}};
  // With route_localnet containers could otherwise reach what listens on 127.0.0.1 (CVE-2020-8558).
  chains["ports_raw"] = {"type filter hook prerouting priority raw",
                         {"iifname \"tw*\" ip daddr 127.0.0.0/8 drop"}};
  return table;
}

void addGuardSets(Firewall& table) {
  table.sets["guarded"] = apart("ifname");
  table.sets["guard_macs"] = apart("ifname . ether_addr");
  table.sets["guard_ips4"] = apart("ifname . ether_addr . ipv4_addr");
  table.sets["guard_ips6"] = apart("ifname . ether_addr . ipv6_addr");
}

Firewall bridgeGuardShape() {
  Firewall table{.table = kBridgeTable, .owner = kOwner};
  addGuardSets(table);
  // The address that a neighbour advertisement is about (RFC 4861, 4.4). nft has no name for that field.
  table.sets["guard_targets"] = apart("ifname . integer", "typeof iifname . @th,64,128");
  const std::string strange = "@th,64,10 != 0x3fa iifname . @th,64,128 != @guard_targets drop";  // not fe80::
  table.chains["guard_prerouting"] = {"type filter hook prerouting priority -300",
                                      {"iifname @guarded jump guard"}};
  table.chains["guard"].rules = {
      "iifname . ether saddr != @guard_macs drop",
      "iifname . ether saddr . ip saddr @guard_ips4 accept",
      "iifname . arp saddr ether != @guard_macs drop",
      "iifname . arp saddr ether . arp saddr ip @guard_ips4 accept",
      "arp saddr ip 0.0.0.0 accept",                        // is this address free? (RFC 5227)
      "ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept",  // who has one for me? (RFC 2131)
      "icmpv6 type { nd-router-advert, nd-redirect } drop",
      "icmpv6 type nd-neighbor-advert @th,64,128 0xfe800000000000000000000000000001 drop",
      "icmpv6 type nd-neighbor-advert " + strange,
      "ip6 saddr :: icmpv6 type nd-neighbor-solicit " + strange,
      "ip6 saddr :: meta l4proto ipv6-icmp accept",  // before it has an address
      "ip6 saddr fe80::1 drop",                      // the gateway
      "ip6 saddr fe80::/10 accept",
      "iifname . ether saddr . ip6 saddr @guard_ips6 accept",
      "drop",
  };
  return table;
}

/// Neighbours of a routed container are permanent entries, so that ARP and its kin cannot do harm.
Firewall routedGuardShape() {
  Firewall table{.owner = kOwner};
  addGuardSets(table);
  table.chains["guard_prerouting"] = {"type filter hook prerouting priority raw",
                                      {"iifname @guarded jump guard"}};
  table.chains["guard"].rules = {
      "iifname . ether saddr != @guard_macs drop",
      "iifname . ether saddr . ip saddr @guard_ips4 accept",
      "ip6 saddr :: meta l4proto ipv6-icmp accept",
      "ip6 saddr fe80::1 drop",
      "ip6 saddr fe80::/10 accept",
      "iifname . ether saddr . ip6 saddr @guard_ips6 accept",
      "drop",
  };
  return table;
}

void addShape(const Firewall& shape, KernelState& out) {
  const auto [at, fresh] = out.firewalls.try_emplace(shape.table, shape);
  if (!fresh) merge(at->second, shape);
}

/// Runs after the node's own masquerade, which is about the addresses of its subnets.
Firewall masqueradeShape() {
  Firewall table{.owner = kOwner};
  auto& chain = table.chains["local_postrouting"];
  chain.hook = "type nat hook postrouting priority 101";
  for (const auto& [ip, type, set] :
       {std::array{"ip", "ipv4_addr", "local4"}, std::array{"ip6", "ipv6_addr", "local6"}}) {
    table.sets[set] = apart(type);
    chain.rules.push_back(fmt::format("oifname != \"tw*\" {} saddr @{} masquerade fully-random", ip, set));
  }
  return table;
}

void addMasquerade(const Attachment& attachment, KernelState& out) {
  if (attachment.masqueraded.empty()) return;
  static const Firewall shape = masqueradeShape();
  addShape(shape, out);
  for (const IpAddress& address : attachment.masqueraded) {
    out.put(SetElement{.table = kTable,
                       .set = address.isV4() ? "local4" : "local6",
                       .key = address.text(),
                       .data = "",
                       .owner = attachment.key()});
  }
}

const Firewall& guardShape(AttachMode mode) {
  static const Firewall bridge = bridgeGuardShape();
  static const Firewall routed = routedGuardShape();
  return mode == AttachMode::bridge ? bridge : routed;
}

void addGuard(const Attachment& attachment, KernelState& out) {
  const auto& shape = guardShape(attachment.mode);
  addShape(shape, out);
  const auto put = [&](const char* set, std::string key) {
    out.put(SetElement{
        .table = shape.table, .set = set, .key = std::move(key), .data = "", .owner = attachment.key()});
  };
  const auto from = fmt::format("{} . {}", attachment.hostIfname, attachment.mac.text());
  put("guarded", attachment.hostIfname);
  put("guard_macs", from);
  for (const auto& [address, length] : attachment.addresses) {
    put(address.isV4() ? "guard_ips4" : "guard_ips6", from + " . " + address.text());
    if (!address.isV4() && shape.sets.contains("guard_targets"))
      put("guard_targets", attachment.hostIfname + " . " + numberWord(address));
  }
}

void addPorts(const Attachment& attachment, KernelState& out) {
  const auto ports = hostPortsOf(attachment);
  if (ports.empty()) return;
  static const Firewall shape = portsShape();
  addShape(shape, out);
  const bool bridged = attachment.mode == AttachMode::bridge;
  const auto put = [&](std::string set, std::string key, std::string data = "") {
    out.put(SetElement{.table = kTable,
                       .set = std::move(set),
                       .key = std::move(key),
                       .data = std::move(data),
                       .owner = attachment.key()});
  };
  for (const HostPort& port : ports) {
    const bool v4 = port.container.isV4();
    const auto own = port.container.text();
    const std::string map = v4 ? "ports4" : "ports6";
    const auto key = fmt::format("{} . {}", textOf(port.protocol), port.port);
    const auto data = fmt::format("{} . {}", own, port.containerPort);
    if (port.at) {
      put(map + "_at", fmt::format("{} . {}", port.at->text(), key), data);
    } else {
      put(map, key, data);
    }
    if (!bridged) put(map + "_self", fmt::format("{0} . {0}", own));
    // Packets from 127.0.0.1 may leave over this interface, and their answers come back.
    if (v4) {
      const auto link = bridged ? attachment.bridge : attachment.hostIfname;
      out.put(Sysctl{.path = "net/ipv4/conf/" + link + "/route_localnet",
                     .value = "1",
                     .owner = bridged ? kOwner : attachment.key()});
    }
  }
}

}  // namespace

void addFirewall(const Attachment& attachment, KernelState& out) {
  if (attachment.spoofGuard) addGuard(attachment, out);
  addPorts(attachment, out);
  addMasquerade(attachment, out);
}

void addQuarantine(const Attachment& attachment, KernelState& out) {
  const auto& shape = guardShape(attachment.mode);
  addShape(shape, out);
  out.put(SetElement{.table = shape.table,
                     .set = "guarded",
                     .key = attachment.hostIfname,
                     .data = "",
                     .owner = attachment.key()});
}

void keepGuard(const std::string& hostIfname, const KernelState& actual, KernelState& out) {
  for (const auto mode : {AttachMode::bridge, AttachMode::routed}) {
    const auto& shape = guardShape(mode);
    if (actual.setElements.contains({shape.table, "guarded", hostIfname})) addShape(shape, out);
  }
}

bool isGuard(const Object& object) {
  if (const auto* element = std::get_if<SetElement>(&object)) return element->set.starts_with(kGuard);
  const auto* table = std::get_if<Firewall>(&object);
  return table != nullptr && table->chains.contains("guard");
}

void withoutGuard(KernelState& state) {
  const auto isGuards = [](const auto& entry) { return entry.first.starts_with(kGuard); };
  for (auto at = state.firewalls.begin(); at != state.firewalls.end();) {
    auto& [name, table] = *at;
    std::erase_if(table.chains, isGuards);
    std::erase_if(table.sets, isGuards);
    at = table.empty() ? state.firewalls.erase(at) : std::next(at);
  }
  std::erase_if(state.setElements, [](const auto& entry) { return entry.first.set.starts_with(kGuard); });
}

}  // namespace twill
