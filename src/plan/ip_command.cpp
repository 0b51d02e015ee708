// SPDX-License-Identifier: Apache-2.0
#include <string_view>

#include <fmt/format.h>

#include "plan/bucket.hpp"
#include "plan/diff.hpp"
#include "plan/words.hpp"

namespace twill {
namespace {

/// One word for a POSIX shell. Names of networks and namespaces come from others and may hold anything.
std::string quoted(std::string_view word) {
  constexpr std::string_view kSafe =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:-@%+=,";
  if (!word.empty() && word.find_first_not_of(kSafe) == std::string_view::npos) return std::string(word);
  std::string out = "'";
  for (char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

/// "ip" or "tc" inside a network namespace: by name where it has one, else by path.
std::string inside(std::string_view netns, std::string_view program) {
  for (std::string_view head : {"/run/netns/", "/var/run/netns/"}) {
    if (netns.starts_with(head)) return fmt::format("{} -n {}", program, quoted(netns.substr(head.size())));
  }
  return fmt::format("nsenter --net={} {}", quoted(netns), program);
}

std::string_view familyFlag(Family family) {
  return family == Family::v6 ? "ip -6" : "ip";
}

std::string limitCommand(std::string_view tc, std::string_view link, const Rate& rate, int mtu) {
  const auto bucket = bucketOf(rate, mtu);
  return fmt::format("\n{} qdisc replace dev {} root tbf rate {}bps burst {} limit {}", tc, quoted(link),
                     bucket.bytesPerSecond, bucket.burst, bucket.limit);
}

std::string attributeWords(const ContainerRoute& route) {
  std::string out;
  if (route.priority != 0) out += fmt::format(" metric {}", route.priority);
  if (!route.inMainTable()) out += fmt::format(" table {}", route.table);
  if (route.scope) out += fmt::format(" scope {}", *route.scope);
  if (route.mtu != 0) out += fmt::format(" mtu {}", route.mtu);
  if (route.advmss != 0) out += fmt::format(" advmss {}", route.advmss);
  return out;
}

std::string vethPeerCommands(const VethPeer& peer, int mtu) {
  const auto ip = inside(peer.netns, "ip");
  const auto name = quoted(peer.name);
  std::string out;
  for (const auto& address : peer.addresses) {
    out += fmt::format("\n{} address add {} dev {}{}", ip, address.text(), name,
                       address.address.isV4() ? "" : " nodad");
  }
  if (peer.rate) out += limitCommand(inside(peer.netns, "tc"), peer.name, *peer.rate, mtu);
  out += fmt::format("\n{} link set {} up", ip, name);
  for (const auto& route : peer.routes) {
    out += fmt::format("\n{}{} route add {}{} dev {}{}", ip, route.dst.isV4() ? "" : " -6",
                       route.dst.length() == 0 ? "default" : route.dst.text(),
                       route.via ? " via " + route.via->text() : "", name, attributeWords(route));
  }
  return out;
}

std::string offloadCommand(const Link& link) {
  return fmt::format("\nethtool -K {} tx-checksum-ip-generic {}", quoted(link.name),
                     *link.checksumOffload ? "on" : "off");
}

/// Everything that can be set on a link that exists, but for what offloadCommand() does.
std::string settings(const Link& link) {
  auto out = fmt::format("ip link set dev {} alias {}", quoted(link.name), quoted(link.alias));
  if (link.mtu) out += fmt::format(" mtu {}", *link.mtu);
  if (link.mac) out += " address " + link.mac->text();
  if (link.master) out += link.master->empty() ? " nomaster" : " master " + quoted(*link.master);
  out += link.up ? " up" : " down";
  if (link.hairpin) {
    out += fmt::format("\nip link set dev {} type bridge_slave hairpin {}", quoted(link.name),
                       *link.hairpin ? "on" : "off");
  }
  return out;
}

std::string addLink(const Link& link) {
  if (link.kind == LinkKind::tun) {
    return fmt::format("ip tuntap add dev {} mode tun user root vnet_hdr\n{}", quoted(link.name),
                       settings(link));
  }
  auto out = fmt::format("ip link add {} type {}", quoted(link.name), kindWord(link.kind));
  if (link.vxlan) {
    out += fmt::format(" id {} dev {} local {} dstport {} {}{}", link.vxlan->vni,
                       quoted(link.vxlan->underlay), link.vxlan->local.text(), link.vxlan->port,
                       link.vxlan->learning ? "learning" : "nolearning", link.vxlan->gbp ? " gbp" : "");
  }
  if (link.ipTunnel)
    out += fmt::format(" local {} ttl {} tos inherit pmtudisc", link.ipTunnel->local.text(), kIpTunnelTtl);
  if (link.peer) {
    out += fmt::format(" peer name {} address {}", quoted(link.peer->name), link.peer->mac.text());
    if (link.mtu) out += fmt::format(" mtu {}", *link.mtu);
    out += " netns " + quoted(link.peer->netns);
  }
  const int mtu = link.mtu.value_or(kDefaultMtu);
  if (link.rate) out += limitCommand("tc", link.name, *link.rate, mtu);
  out += "\n" + settings(link);
  if (link.checksumOffload == false) out += offloadCommand(link);  // it is on in a new device
  return link.peer ? out + vethPeerCommands(*link.peer, mtu) : out;
}

std::string nftScript(const Firewall& firewall) {
  // "add, then delete" empties the table whether it was there or not; nft applies the whole file at once.
  std::string out =
      fmt::format("nft -f - <<'EOF'\nadd table {0}\ndelete table {0}\ntable {0} {{\n", firewall.table);
  for (const auto& name : firewall.counters) out += fmt::format("  counter {} {{ }}\n", name);
  for (const auto& [name, set] : firewall.sets) {
    out += fmt::format("  {} {} {{\n    {}\n", set.isMap() ? "map" : "set", name, set.declaration());
    if (set.apart) out += fmt::format("    comment \"{}\"\n", kApart);
    if (!set.flags.empty()) out += fmt::format("    flags {}\n", set.flags);
    if (!set.elements.empty()) {
      out += fmt::format("    elements = {{ {} }}\n", fmt::join(set.elements, ", "));
    }
    out += "  }\n";
  }
  for (const auto& [name, chain] : firewall.chains) {
    out += fmt::format("  chain {} {{\n", name);
    if (!chain.hook.empty()) out += fmt::format("    {};\n", chain.hook);
    for (const auto& rule : chain.rules) out += fmt::format("    {} comment \"{}\"\n", rule, ruleId(rule));
    out += "  }\n";
  }
  return out + "}\nEOF";
}

struct Command {
  Verb verb;

  [[nodiscard]] std::string_view word() const {
    if (verb == Verb::remove) return "del";
    return verb == Verb::add ? "add" : "replace";
  }

  std::string operator()(const Sysctl& sysctl) const {
    std::string key = sysctl.path;
    // With slashes the name may hold dots, as that of a VLAN interface does.
    if (key.find('.') == std::string::npos) {
      for (char& c : key) c = c == '/' ? '.' : c;
    }
    return "sysctl -w " + quoted(key + "=" + sysctl.value);
  }
  std::string operator()(const Firewall& firewall) const {
    return verb == Verb::remove ? "nft delete table " + firewall.table : nftScript(firewall);
  }
  std::string operator()(const SetElement& element) const {
    const auto command = [&](std::string_view does, const std::string& text) {
      return fmt::format("{} element {} {} {{ {} }}", does, element.table, element.set, text);
    };
    const auto gone = command("delete", element.key);
    const auto there = command("add", element.text());
    if (verb == Verb::change) return "nft " + quoted(gone + "; " + there);
    return "nft " + quoted(verb == Verb::remove ? gone : there);
  }
  std::string operator()(const Link& link) const {
    if (verb == Verb::remove) return "ip link del " + quoted(link.name);
    if (verb == Verb::add) return addLink(link);
    return settings(link) + (link.checksumOffload ? offloadCommand(link) : "");
  }
  std::string operator()(const Address& address) const {  // iproute2 6.1 cannot set an address's protocol
    const bool noWait = verb != Verb::remove && !address.address.address.isV4();
    return fmt::format("ip address {} {} dev {}{}", word(), address.address.text(), quoted(address.link),
                       noWait ? " nodad" : "");
  }
  std::string operator()(const Neighbour& neighbour) const {
    if (verb == Verb::remove) {
      return fmt::format("ip neigh del {}{} dev {}", neighbour.proxy ? "proxy " : "",
                         neighbour.address.text(), quoted(neighbour.link));
    }
    Neighbour shown = neighbour;
    shown.link = quoted(neighbour.link);
    return fmt::format("ip neigh replace {}{} protocol {}", neighbourWords(shown),
                       shown.proxy ? "" : " nud permanent", shown.protocol);
  }
  std::string operator()(const ForwardingEntry& entry) const {
    ForwardingEntry shown = entry;
    shown.link = quoted(entry.link);
    return fmt::format("bridge fdb {} {} self permanent", verb == Verb::remove ? "del" : "replace",
                       forwardingWords(shown));
  }
  std::string operator()(const Rule& rule) const {
    return fmt::format("{} rule {} {} protocol {}", familyFlag(rule.from.family()), word(), ruleWords(rule),
                       rule.protocol);
  }
  std::string operator()(const Route& route) const {
    Route shown = route;
    if (!shown.link.empty()) shown.link = quoted(route.link);
    return fmt::format("{} route {} {} proto {}", familyFlag(shown.dst.family()), word(), routeWords(shown),
                       shown.protocol);
  }
};

std::string_view verbWord(Verb verb) {
  switch (verb) {
    case Verb::add:
      return "add";
    case Verb::change:
      return "change";
    case Verb::remove:
      break;
  }
  return "remove";
}

}  // namespace

std::string ipCommand(const Operation& operation) {
  return std::visit(Command{operation.verb}, operation.object);
}

std::string describe(const Operation& operation) {
  return fmt::format("{} {}", verbWord(operation.verb), describe(operation.object));
}

}  // namespace twill
