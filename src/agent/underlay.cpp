// SPDX-License-Identifier: Apache-2.0
#include "agent/underlay.hpp"

#include <algorithm>
#include <regex>
#include <tuple>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace twill {
namespace {

struct Candidate {
  std::string link;
  std::string reason;
};

/// Addresses of a link that peers could use, best first: global before link-local, those with a network
/// before single ones (a virtual address that floats between nodes), then lowest.
std::vector<InterfaceAddress> addressesOf(const KernelState& actual, const std::string& link, Family family) {
  std::vector<InterfaceAddress> found;
  for (const auto& [key, address] : actual.addresses) {
    // An IPv6 link-local address means nothing to a peer behind a router, and every link has one: it is what
    // is left for a moment when the real one is being replaced.
    bool meant = family == Family::v4 || !key.address.address.isLinkLocal();
    bool fits = key.link == link && key.address.address.family() == family && meant && address.usable &&
                !address.ours();
    if (fits) found.push_back(key.address);
  }
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    auto rank = [](const InterfaceAddress& one) {
      return std::tuple(one.address.isLinkLocal(), one.length == one.address.bits(), one);
    };
    return rank(a) < rank(b);
  });
  return found;
}

/// True when the link has an address of every family that the network needs, or is given one by --public-ip.
bool reachesPeers(const KernelState& actual, const UnderlayRules& rules, const std::string& link) {
  auto reaches = [&](bool needed, const std::optional<IpAddress>& given, Family family) {
    return !needed || given || !addressesOf(actual, link, family).empty();
  };
  return reaches(rules.needV4, rules.publicIp, Family::v4) &&
         reaches(rules.needV6, rules.publicIp6, Family::v6);
}

bool isCandidate(const Link& link) {
  return !link.loopback && !link.ours();
}

bool isOwn(const KernelState& actual, const std::string& link) {
  auto found = actual.links.find(link);
  return found != actual.links.end() && found->second.ours();
}

std::optional<std::string> linkWithAddress(const KernelState& actual, const IpAddress& address) {
  for (const auto& [key, value] : actual.addresses) {
    if (key.address.address == address && !value.ours()) return key.link;
  }
  return std::nullopt;
}

std::optional<std::string> linkByNameOrAddress(const KernelState& actual, const std::string& wanted) {
  if (auto address = IpAddress::parse(wanted)) return linkWithAddress(actual, *address);
  return actual.links.contains(wanted) ? std::optional(wanted) : std::nullopt;
}

Result<std::optional<std::string>> linkByRegex(const KernelState& actual, const UnderlayRules& rules,
                                               const std::string& pattern) {
  // std::regex reports a bad pattern only by throwing.
  std::regex regex;
  try {
    regex.assign(pattern, std::regex::ECMAScript);
  } catch (const std::regex_error& error) {
    return fail(fmt::format("--iface-regex '{}' is not a regular expression: {}", pattern, error.what()),
                Error::Kind::invalid);
  }
  for (const auto& [key, address] : actual.addresses) {
    auto link = actual.links.find(key.link);
    bool usable = link != actual.links.end() && isCandidate(link->second) && address.usable;
    bool matches = usable && std::regex_search(key.address.address.text(), regex);
    if (matches && reachesPeers(actual, rules, key.link)) return std::optional(key.link);
  }
  std::optional<std::string> bare;  // chosen only for the error that names it
  for (const auto& [name, link] : actual.links) {
    if (!isCandidate(link) || !std::regex_search(name, regex)) continue;
    if (reachesPeers(actual, rules, name)) return std::optional(name);
    if (!bare) bare = name;
  }
  return bare;
}

/// Default routes of both families, best metric first.
std::vector<const Route*> defaultRoutes(const KernelState& actual, Family family) {
  std::vector<const Route*> found;
  for (const auto& [key, route] : actual.routes) {
    bool fits = key.dst.length() == 0 && key.table == 0 && key.dst.family() == family &&
                route.type == RouteType::unicast;
    if (fits && !route.link.empty()) found.push_back(&route);
  }
  return found;  // the map is ordered by destination, then metric
}

Result<Candidate> byDefaultRoute(const KernelState& actual, const UnderlayRules& rules,
                                 std::vector<std::string>& notices) {
  Family family = rules.needV4 ? Family::v4 : Family::v6;
  auto routes = defaultRoutes(actual, family);
  if (routes.empty()) {
    return fail("no default route to find the underlay interface by; name it with --iface",
                Error::Kind::missing);
  }
  const Route& first = *routes.front();
  if (!first.otherLink.empty()) {
    notices.push_back(
        fmt::format("two default routes have the same metric {}: using {}, not {}; --iface decides",
                    first.metric, first.link, first.otherLink));
  }
  for (const Route* route : routes) {
    if (route->link == routes.front()->link) continue;
    notices.push_back(
        fmt::format("several default routes: using {} (metric {}), not {} (metric {}); --iface decides",
                    routes.front()->link, routes.front()->metric, route->link, route->metric));
  }
  return Candidate{routes.front()->link, "the default route"};
}

Result<Candidate> byRules(const KernelState& actual, const UnderlayRules& rules, const RouteQuestion& routeTo,
                          std::vector<std::string>& notices) {
  std::vector<std::string> tried;
  std::optional<Candidate> bare;  // the first that is there but has no address, if none fits
  auto fits = [&](const std::string& link, std::string reason) {
    Candidate candidate{link, std::move(reason)};
    if (reachesPeers(actual, rules, link)) return std::optional(candidate);
    if (!bare) bare = std::move(candidate);
    return std::optional<Candidate>();
  };
  for (const auto& wanted : rules.ifaces) {
    auto link = linkByNameOrAddress(actual, wanted);
    if (link && isOwn(actual, *link)) {
      tried.push_back(fmt::format("--iface {}: {} is Twill's own, and traffic between nodes goes below it",
                                  wanted, *link));
      continue;
    }
    if (!link) tried.push_back(fmt::format("--iface {}: no such interface or address", wanted));
    if (auto found = link ? fits(*link, "--iface " + wanted) : std::nullopt) return *found;
  }
  for (const auto& pattern : rules.ifaceRegexes) {
    TWILL_TRY(auto link, linkByRegex(actual, rules, pattern));
    if (!link) tried.push_back(fmt::format("--iface-regex {}: no interface matches", pattern));
    if (auto found = link ? fits(*link, "--iface-regex " + pattern) : std::nullopt) return *found;
  }
  if (bare) return *bare;
  if (rules.canReach) {
    auto link = routeTo(*rules.canReach);
    if (link && isOwn(actual, *link)) link = fail(*link + ", by which it is reached, is Twill's own");
    if (link) return Candidate{*link, "--iface-can-reach " + rules.canReach->text()};
    tried.push_back(fmt::format("--iface-can-reach {}: {}", rules.canReach->text(), link.error().text));
  }
  if (!tried.empty()) {
    std::vector<std::string> names;
    for (const auto& [name, link] : actual.links) {
      if (isCandidate(link)) names.push_back(name);
    }
    return fail(fmt::format("no underlay interface: {}; this node has {}", fmt::join(tried, "; "),
                            fmt::join(names, ", ")),
                Error::Kind::missing);
  }
  for (const auto& address : {rules.publicIp, rules.publicIp6}) {
    if (!address) continue;
    if (auto link = linkWithAddress(actual, *address)) return Candidate{*link, "it holds " + address->text()};
  }
  return byDefaultRoute(actual, rules, notices);
}

/// The address of one family: the one that was asked for when the link has it, else the one that peers know
/// us by, so that a further address on the link changes nothing, else the best.
std::optional<InterfaceAddress> pickAddress(const KernelState& actual, const UnderlayRules& rules,
                                            const std::string& link, Family family) {
  auto addresses = addressesOf(actual, link, family);
  const auto& wanted = family == Family::v4 ? rules.publicIp : rules.publicIp6;
  auto asked = std::find_if(addresses.begin(), addresses.end(), [&](const InterfaceAddress& address) {
    bool named =
        std::find(rules.ifaces.begin(), rules.ifaces.end(), address.address.text()) != rules.ifaces.end();
    return named || (wanted && address.address == *wanted);
  });
  if (asked != addresses.end()) return *asked;
  const auto& held = family == Family::v4 ? rules.held : rules.held6;
  auto known = std::find_if(addresses.begin(), addresses.end(),
                            [&](const InterfaceAddress& address) { return address.address == held; });
  if (known != addresses.end()) return *known;
  return addresses.empty() ? std::nullopt : std::optional(addresses.front());
}

}  // namespace

std::string describe(const UnderlayChoice& choice) {
  std::string text = choice.underlay.link;
  for (const auto& address : {choice.publicIp, choice.publicIp6}) {
    if (address) text += " " + address->text();
  }
  return text + " by " + choice.reason;
}

std::string acceptRaOf(const std::string& link) {
  return "net/ipv6/conf/" + link + "/accept_ra";
}

Result<UnderlayChoice> chooseUnderlay(const KernelState& actual, const UnderlayRules& rules,
                                      const RouteQuestion& routeTo) {
  UnderlayChoice choice;
  TWILL_TRY(Candidate found, byRules(actual, rules, routeTo, choice.notices));
  auto link = actual.links.find(found.link);
  if (link == actual.links.end()) return fail("interface " + found.link + " is gone", Error::Kind::missing);

  choice.reason = found.reason;
  choice.underlay.link = found.link;
  choice.underlay.mtu = link->second.mtu.value_or(1500);
  choice.underlay.v4 = pickAddress(actual, rules, found.link, Family::v4);
  choice.underlay.v6 = pickAddress(actual, rules, found.link, Family::v6);
  auto acceptRa = actual.sysctls.find(acceptRaOf(found.link));
  choice.underlay.acceptsRa = acceptRa != actual.sysctls.end() && acceptRa->second.value != "0";
  choice.publicIp = rules.publicIp;
  choice.publicIp6 = rules.publicIp6;
  if (!choice.publicIp && choice.underlay.v4) choice.publicIp = choice.underlay.v4->address;
  if (!choice.publicIp6 && choice.underlay.v6) choice.publicIp6 = choice.underlay.v6->address;

  bool v4Missing = rules.needV4 && !choice.publicIp;
  if (v4Missing || (rules.needV6 && !choice.publicIp6)) {
    return fail(fmt::format("interface {} ({}) has no {} address; give it one, or name another with --iface",
                            found.link, found.reason, v4Missing ? "IPv4" : "IPv6"),
                Error::Kind::missing);
  }
  return choice;
}

}  // namespace twill
