// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "plan/diff.hpp"

/// Short ways to write objects and to read differences, for tests.
namespace twill::samples {

inline Link bridge(std::string name) {
  Link link;
  link.name = std::move(name);
  link.kind = LinkKind::bridge;
  link.alias = "twill:node";
  link.owner = "node";
  return link;
}

/// A veth of ours, a port of twill0; owner "net/c1/eth0".
inline Link port(std::string name) {
  Link link;
  link.name = std::move(name);
  link.kind = LinkKind::veth;
  link.alias = "twill:net/c1/eth0";
  link.master = "twill0";
  link.owner = "net/c1/eth0";
  return link;
}

inline Link foreignLink(std::string name, LinkKind kind = LinkKind::other) {
  Link link;
  link.name = std::move(name);
  link.kind = kind;
  return link;
}

inline Address address(std::string link, std::string_view text, std::uint8_t protocol = kProtocol) {
  return {.link = std::move(link),
          .address = *InterfaceAddress::parse(text),
          .protocol = protocol,
          .owner = "node"};
}

inline Neighbour neighbour(std::string link, std::string_view text, std::string_view mac) {
  return {.link = std::move(link),
          .address = *IpAddress::parse(text),
          .mac = *MacAddress::parse(mac),
          .owner = "node2"};
}

/// A route via a next hop, or straight on the link when `via` is empty; owner "node2".
inline Route route(std::string_view dst, std::string_view via, std::string link, std::uint32_t metric = 0) {
  Route route;
  route.dst = *Prefix::parse(dst);
  if (!via.empty()) route.via = *IpAddress::parse(via);
  route.link = std::move(link);
  route.metric = metric;
  route.owner = "node2";
  return route;
}

inline Route foreignRoute(Route route, std::uint8_t protocol = 4) {  // RTPROT_STATIC
  route.protocol = protocol;
  route.owner.clear();
  return route;
}

inline Sysctl setting(std::string path, std::string value) {
  return {.path = std::move(path), .value = std::move(value), .owner = "node"};
}

template <class... Objects>
KernelState state(Objects... objects) {
  KernelState out;
  (out.put(std::move(objects)), ...);
  return out;
}

/// One line for each operation, then one for each obstacle, "! owner: text", and each notice, "? owner:
/// text".
inline std::string text(const Difference& difference) {
  std::string out;
  for (const auto& operation : difference.operations) out += describe(operation) + "\n";
  for (const auto& obstacle : difference.obstacles)
    out += "! " + obstacle.owner + ": " + obstacle.text + "\n";
  for (const auto& notice : difference.notices) out += "? " + notice.owner + ": " + notice.text + "\n";
  return out;
}

}  // namespace twill::samples
