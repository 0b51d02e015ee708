// SPDX-License-Identifier: Apache-2.0
#include "plan/objects.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/fnv.hpp"
#include "plan/words.hpp"

namespace twill {
namespace {

constexpr std::uint32_t kIpv6DefaultMetric = 1024;  // IP6_RT_PRIO_USER, linux/ipv6_route.h

struct Describer {
  std::string operator()(const Sysctl& sysctl) const {
    return fmt::format("setting {} = {}", sysctl.path, sysctl.value);
  }
  std::string operator()(const Firewall& firewall) const { return "firewall table " + firewall.table; }
  std::string operator()(const SetElement& element) const {
    return fmt::format("element {} {} {{ {} }}", element.table, element.set, element.text());
  }
  std::string operator()(const Link& link) const {
    return fmt::format("{} {}", kindWord(link.kind), link.name);
  }
  std::string operator()(const Address& address) const {
    return fmt::format("address {} dev {}", address.address.text(), address.link);
  }
  std::string operator()(const Neighbour& neighbour) const {
    return fmt::format("neighbour {}", neighbourWords(neighbour));
  }
  std::string operator()(const ForwardingEntry& entry) const {
    return fmt::format("forwarding entry {}", forwardingWords(entry));
  }
  std::string operator()(const Rule& rule) const { return fmt::format("rule {}", ruleWords(rule)); }
  std::string operator()(const Route& route) const { return fmt::format("route {}", routeWords(route)); }
};

}  // namespace

std::string_view kindWord(LinkKind kind) {
  switch (kind) {
    case LinkKind::bridge:
      return "bridge";
    case LinkKind::veth:
      return "veth";
    case LinkKind::vxlan:
      return "vxlan";
    case LinkKind::tun:
      return "tun";
    case LinkKind::ipip:
      return "ipip";
    case LinkKind::sit:
      return "sit";
    case LinkKind::other:
      break;
  }
  return "link";
}

std::string numberWord(const IpAddress& address) {
  std::string digits;
  for (const auto byte : address.bytes()) digits += fmt::format("{:02x}", byte);
  if (address.isV4()) return std::to_string(std::stoul(digits, nullptr, 16));
  return "0x" + digits.substr(std::min(digits.find_first_not_of('0'), digits.size() - 1));
}

std::string rangeWord(const Prefix& prefix) {
  return numberWord(prefix.address()) + "-" + numberWord(prefix.last());
}

std::string neighbourWords(const Neighbour& neighbour) {
  if (neighbour.proxy) return fmt::format("proxy {} dev {}", neighbour.address.text(), neighbour.link);
  return fmt::format("{} lladdr {} dev {}", neighbour.address.text(), neighbour.mac.text(), neighbour.link);
}

std::string forwardingWords(const ForwardingEntry& entry) {
  return fmt::format("{} dev {} dst {}", entry.mac.text(), entry.link, entry.node.text());
}

std::string routeWords(const Route& route) {
  std::string words;
  switch (route.type) {
    case RouteType::blackhole:
      words = "blackhole ";
      break;
    case RouteType::unreachable:
      words = "unreachable ";
      break;
    case RouteType::prohibit:
      words = "prohibit ";
      break;
    case RouteType::unicast:
      break;
  }
  words += route.dst.length() == 0 ? "default" : route.dst.text();
  if (route.via) words += " via " + route.via->text();
  if (!route.link.empty()) words += " dev " + route.link;
  if (route.source) words += " src " + route.source->text();
  if (route.table != 0) words += fmt::format(" table {}", route.table);
  if (route.metric != 0) words += fmt::format(" metric {}", route.metric);
  if (route.mtu != 0) words += fmt::format(" mtu {}", route.mtu);
  if (route.onlink) words += " onlink";
  return words;
}

std::string ruleWords(const Rule& rule) {
  return fmt::format("from {} lookup {} priority {}", rule.from.text(), rule.table, rule.priority);
}

std::string ruleId(const std::string& rule) {
  return fmt::format("tw-{:016x}", fnv1a(rule));
}

RouteKey keyOf(const Route& route) {
  const bool defaulted = route.metric == 0 && route.dst.family() == Family::v6;
  return {route.dst, defaulted ? kIpv6DefaultMetric : route.metric, route.table};
}

RuleKey keyOf(const Rule& rule) {
  return {rule.priority, rule.from, rule.table};
}

AddressKey keyOf(const Address& address) {
  return {address.link, address.address};
}

NeighbourKey keyOf(const Neighbour& neighbour) {
  return {neighbour.link, neighbour.address, neighbour.proxy};
}

ForwardingKey keyOf(const ForwardingEntry& entry) {
  return {entry.link, entry.mac};
}

SetElementKey keyOf(const SetElement& element) {
  return {element.table, element.set, element.key};
}

std::string describe(const Object& object) {
  return std::visit(Describer{}, object);
}

const std::string& ownerOf(const Object& object) {
  return std::visit([](const auto& any) -> const std::string& { return any.owner; }, object);
}

}  // namespace twill
