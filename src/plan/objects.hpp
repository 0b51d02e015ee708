// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "base/boxed.hpp"
#include "model/attachment.hpp"
#include "net/address.hpp"

namespace twill {

/// Protocol number on every route, neighbour and address that Twill makes; see /etc/iproute2/rt_protos.
inline constexpr std::uint8_t kProtocol = 116;
/// Every link that Twill makes carries an alias that starts so.
inline constexpr const char* kAliasPrefix = "twill:";
/// The routing table that Twill's rules lead to; beside it, and its likes of named networks
/// (plan/network_names.hpp), only the main table is looked at.
inline constexpr std::uint32_t kRoutingTable = 116;
/// Where Twill's rules stand: before those for the main table (32766), behind the local one (0).
inline constexpr std::uint32_t kRulePriority = 11600;
/// The tables that Twill makes, by nft's family and name. Nobody else's rules are in them.
inline constexpr const char* kTable = "inet twill";
inline constexpr const char* kBridgeTable = "bridge twill";

enum class LinkKind : std::uint8_t {
  other,
  bridge,
  veth,
  vxlan,
  /// As Twill makes one: a TUN device that stays when nobody is attached and belongs to root, with one queue
  /// and a virtio_net header before each packet. Any other TUN device, and each TAP, is `other`. It runs only
  /// while a process is attached.
  tun,
  /// As Twill makes them: a tunnel of IPv4 packets to whichever node a route's next hop names, with IPv4
  /// inside (ipip), or IPv6 (sit), TTL 64, the inner packet's TOS, never fragmented. Any other is `other`.
  ipip,
  sit
};

/// The container's end of a veth, made together with the node's end. Never read back: it is another
/// namespace's.
struct VethPeer {
  std::string netns;    ///< path of the network namespace
  std::string netnsId;  ///< which namespace that has to be (kernel/netns.hpp); empty: whichever is there
  std::string name;
  MacAddress mac;
  std::vector<InterfaceAddress> addresses;
  std::vector<ContainerRoute> routes;
  std::optional<Rate> rate;           ///< of what the container sends
  std::uint8_t protocol = kProtocol;  ///< on its addresses and routes: whose they are in that namespace

  auto operator<=>(const VethPeer&) const = default;
};

/// What a VXLAN device is made with. To have another one, it has to be made again.
struct Vxlan {
  std::uint32_t vni = 1;
  std::uint16_t port = 8472;  ///< UDP: where it listens, and where it sends to
  std::string underlay;       ///< name of the link that carries the tunnel
  IpAddress local;            ///< source address of the outer packets; the tunnel's family
  bool learning = false;      ///< takes from what it receives which MAC is behind which node
  bool gbp = false;           ///< carries the mark of a packet as group policy

  auto operator<=>(const Vxlan&) const = default;
};

/// Bytes between the outer UDP header and the inner packet: VXLAN's header (RFC 7348) and an Ethernet header.
inline constexpr int kVxlanHeaders = 8 + 14;
/// All that VXLAN puts around a packet: those, UDP's header (8), and the outer IP header, of the same family
/// as the packet.
[[nodiscard]] constexpr int vxlanOverhead(Family family) {
  return (family == Family::v4 ? 20 : 40) + 8 + kVxlanHeaders;
}

/// What an ipip or sit device is made with. To have another one, it has to be made again.
inline constexpr int kIpTunnelTtl = 64;
struct IpTunnel {
  IpAddress local;  ///< IPv4: source of the outer packets, and where they have to go to be taken out

  auto operator<=>(const IpTunnel&) const = default;
};

/// A network interface on the node. In a wanted state an empty optional means "leave as it is".
struct Link {
  std::string name;
  LinkKind kind = LinkKind::other;
  std::string alias;  ///< starts with kAliasPrefix when ours
  bool up = true;     ///< administratively up
  std::optional<int> mtu;
  std::optional<MacAddress> mac;      ///< tunnels of IP packets have none
  std::optional<std::string> master;  ///< name of the bridge; "" means none
  std::optional<bool> hairpin;        ///< bridge port only
  Boxed<VethPeer> peer;               ///< wanted veths only
  Boxed<Vxlan> vxlan;                 ///< VXLAN devices only
  std::optional<IpTunnel> ipTunnel;   ///< ipip and sit devices only
  /// VXLAN devices of ours only: the checksums inside are left to the network card below.
  std::optional<bool> checksumOffload;
  /// Wanted veths only: of what the node sends to the container. Set when the veth is made and never read
  /// back, so a changed or missing limit is not drift.
  std::optional<Rate> rate;
  int index = 0;          ///< ifindex; actual states only
  bool running = false;   ///< carrier and operationally up; actual states only
  bool loopback = false;  ///< actual states only
  std::string owner;      ///< wanted states only: whose failure it is when this fails

  bool operator==(const Link&) const = default;  ///< every member, the owner too
  [[nodiscard]] bool ours() const { return alias.starts_with(kAliasPrefix); }
};

/// An address on an interface of the node.
struct Address {
  std::string link;
  InterfaceAddress address;
  std::uint8_t protocol = kProtocol;  ///< IFA_PROTO; 0 where the kernel does not know it (before 5.18)
  bool usable = true;                 ///< actual only: neither tentative, deprecated nor temporary
  std::string owner;

  bool operator==(const Address&) const = default;  ///< every member, the owner too
  [[nodiscard]] bool ours() const { return protocol == kProtocol; }
};

enum class RouteType : std::uint8_t { unicast, blackhole, unreachable, prohibit };

/// A route.
struct Route {
  Prefix dst;
  std::uint32_t metric = 0;  ///< 0: the family's default (0 for IPv4, 1024 for IPv6)
  std::uint32_t table = 0;   ///< one of Twill's, or 0: the main one
  RouteType type = RouteType::unicast;
  std::string link;                   ///< empty for blackhole and its kin
  std::optional<IpAddress> via;       ///< next hop; absent: dst is on the link itself
  std::optional<IpAddress> source;    ///< preferred source address
  std::uint32_t mtu = 0;              ///< 0: the link's
  bool onlink = false;                ///< next hop is reachable although no address says so
  std::uint8_t protocol = kProtocol;  ///< RTPROT_*
  std::string owner;
  /// Actual states only: the same destination and metric lead over this link, too, by a route that was
  /// appended or by a further next hop.
  std::string otherLink;

  bool operator==(const Route&) const = default;  ///< every member, the owner too
  [[nodiscard]] bool ours() const { return protocol == kProtocol; }
};

/// Packets from these addresses are routed by a table of Twill's first, if that has a route for them.
struct Rule {
  Prefix from;
  std::uint32_t table = kRoutingTable;
  std::uint32_t priority = kRulePriority;
  std::uint8_t protocol = kProtocol;  ///< FRA_PROTOCOL
  std::string owner;

  bool operator==(const Rule&) const = default;  ///< every member, the owner too
  [[nodiscard]] bool ours() const { return protocol == kProtocol; }
};

/// A permanent neighbour entry, or a promise to answer for an address.
struct Neighbour {
  std::string link;
  IpAddress address;
  MacAddress mac;  ///< zero in a proxy entry
  /// The node answers on this link to who asks for the address, which is behind another link. The kernel
  /// tells nobody when such an entry comes or goes, so that a missing one is found by the next full reading.
  bool proxy = false;
  std::uint8_t protocol = kProtocol;  ///< NDA_PROTOCOL
  std::string owner;

  bool operator==(const Neighbour&) const = default;  ///< every member, the owner too
  [[nodiscard]] bool ours() const { return protocol == kProtocol; }
};

/// Behind which node a MAC is, as an entry of a VXLAN device of ours. All that is permanent there is ours.
struct ForwardingEntry {
  std::string link;
  MacAddress mac;
  IpAddress node;  ///< address that the outer packets go to
  std::string owner;

  bool operator==(const ForwardingEntry&) const = default;  ///< every member, the owner too
  [[nodiscard]] static bool ours() { return true; }
};

/// A setting under /proc/sys. Never removed: what it was before is not known after a restart.
struct Sysctl {
  std::string path;  ///< below /proc/sys, with slashes: "net/ipv4/ip_forward"
  std::string value;
  std::string owner;

  bool operator==(const Sysctl&) const = default;
};

/// One of Twill's tables: base chains with their rules, and named sets and maps.
struct Firewall {
  struct Chain {
    /// As nft lists it, but for "; policy accept": "type nat hook postrouting priority srcnat"; empty for a
    /// chain that is only jumped to. Priorities have words where nft(8) gives one for that family and hook.
    std::string hook;
    std::vector<std::string>
        rules;  ///< in nft's syntax; in an actual state only the fingerprints of ruleId()
    auto operator<=>(const Chain&) const = default;
  };
  struct Set {
    std::string type;                   ///< "ipv4_addr"; that of a map is "inet_service : ipv4_addr"
    std::string flags;                  ///< "interval" or empty
    std::vector<std::string> elements;  ///< as nft lists them (10.0.0.0/8, a host without /32), sorted
    /// Each element is a SetElement, with an owner of its own, and `elements` is empty. The kernel keeps this
    /// as the set's comment. Maps are always so.
    bool apart = false;
    /// How `type` is declared where nft has no name for it ("typeof iifname . @th,64,128"); wanted states
    /// only, and not compared.
    std::string declared;

    [[nodiscard]] bool isMap() const { return type.find(" : ") != std::string::npos; }
    [[nodiscard]] std::string declaration() const { return declared.empty() ? "type " + type : declared; }
    auto operator<=>(const Set&) const = default;
  };
  std::string table = kTable;           ///< family and name
  std::map<std::string, Chain> chains;  ///< by name
  std::map<std::string, Set> sets;      ///< by name
  std::set<std::string> counters;       ///< names; what they have counted is asked for apart
  std::string owner;

  bool operator==(const Firewall&) const = default;
  [[nodiscard]] bool empty() const { return chains.empty() && sets.empty() && counters.empty(); }
};

/// A set's comment in the kernel when it is Firewall::Set::apart.
inline constexpr const char* kApart = "elements come and go one by one";

/// An element of a set whose elements stand apart from the table's shape (Firewall::Set::apart): what one
/// container adds to it.
struct SetElement {
  std::string table;  ///< Firewall::table
  std::string set;
  std::string key;   ///< as nft lists it: "tcp . 8080"
  std::string data;  ///< of a map: "172.16.0.5 . 80"
  std::string owner;

  bool operator==(const SetElement&) const = default;  ///< every member, the owner too
  /// "tcp . 8080 : 172.16.0.5 . 80"
  [[nodiscard]] std::string text() const { return data.empty() ? key : key + " : " + data; }
};

/// Fingerprint of a rule, kept in the kernel as the rule's comment: "tw-" and 16 hex digits.
[[nodiscard]] std::string ruleId(const std::string& rule);

/// What a kernel keeps apart: two objects with equal keys cannot both exist.
struct RouteKey {
  Prefix dst;
  std::uint32_t metric = 0;
  std::uint32_t table = 0;
  auto operator<=>(const RouteKey&) const = default;
};
struct RuleKey {
  std::uint32_t priority = 0;
  Prefix from;
  std::uint32_t table = 0;
  auto operator<=>(const RuleKey&) const = default;
};
struct AddressKey {
  std::string link;
  InterfaceAddress address;
  auto operator<=>(const AddressKey&) const = default;
};
struct NeighbourKey {
  std::string link;
  IpAddress address;
  bool proxy = false;
  auto operator<=>(const NeighbourKey&) const = default;
};

struct ForwardingKey {
  std::string link;
  MacAddress mac;
  auto operator<=>(const ForwardingKey&) const = default;
};

struct SetElementKey {
  std::string table;
  std::string set;
  std::string key;
  auto operator<=>(const SetElementKey&) const = default;
};

/// The metric under which the kernel files a route: IPv6 turns 0 into 1024 (IP6_RT_PRIO_USER).
[[nodiscard]] RouteKey keyOf(const Route& route);
[[nodiscard]] RuleKey keyOf(const Rule& rule);
[[nodiscard]] AddressKey keyOf(const Address& address);
[[nodiscard]] NeighbourKey keyOf(const Neighbour& neighbour);
[[nodiscard]] ForwardingKey keyOf(const ForwardingEntry& entry);
[[nodiscard]] SetElementKey keyOf(const SetElement& element);

using Object =
    std::variant<Sysctl, Firewall, SetElement, Link, Address, Neighbour, ForwardingEntry, Route, Rule>;

/// "route 172.16.1.0/24 via 10.0.0.20 dev eth0": how messages name an object.
[[nodiscard]] std::string describe(const Object& object);
/// Object's owner; empty when nobody was named.
[[nodiscard]] const std::string& ownerOf(const Object& object);

}  // namespace twill
