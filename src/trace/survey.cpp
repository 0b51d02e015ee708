// SPDX-License-Identifier: Apache-2.0
#include "trace/survey.hpp"

#include <memory>

#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>

#include "kernel/address.hpp"
#include "kernel/ipip_sight.hpp"
#include "kernel/link.hpp"
#include "kernel/neighbour.hpp"
#include "kernel/netns.hpp"
#include "kernel/programs.hpp"
#include "kernel/route.hpp"
#include "kernel/sysctl.hpp"

namespace twill::trace {
namespace {

using netlink::Attributes;
using netlink::Bytes;

/// A veth's other end as the kernel names it.
struct CableEnd {
  int peerIndex = 0;
  bool elsewhere = false;  ///< in another namespace, which our kernel knows as `nsid`
  std::uint32_t nsid = 0;
};

/// A place while it is looked at.
struct Sighting {
  Place place;
  std::shared_ptr<Fd> netns;
  std::map<int, std::string> names;           ///< links by ifindex
  std::map<std::string, CableEnd> cableEnds;  ///< by link
};

using Payloads = std::vector<std::vector<std::uint8_t>>;

/// The whole of one list. It is asked for again when it changed meanwhile.
template <class Write>
Result<Payloads> dump(netlink::Socket& socket, std::uint16_t type, const Write& write) {
  constexpr int kAttempts = 10;
  for (int attempt = 1;; ++attempt) {
    netlink::Message request(type, 0);
    write(request);
    Payloads out;
    const auto done = socket.dump(request, [&](const netlink::Received& message) {
      out.emplace_back(message.payload.begin(), message.payload.end());
    });
    if (done) return out;
    if (done.error().code != EAGAIN || attempt == kAttempts) return Failure(done.error());
  }
}

NeighbourState stateOf(std::uint16_t nud) {
  if ((nud & NUD_PERMANENT) != 0) return NeighbourState::permanent;
  if ((nud & NUD_NOARP) != 0) return NeighbourState::noarp;
  if ((nud & NUD_REACHABLE) != 0) return NeighbourState::reachable;
  if ((nud & NUD_STALE) != 0) return NeighbourState::stale;
  if ((nud & NUD_DELAY) != 0) return NeighbourState::delay;
  if ((nud & NUD_PROBE) != 0) return NeighbourState::probe;
  if ((nud & NUD_INCOMPLETE) != 0) return NeighbourState::incomplete;
  return (nud & NUD_FAILED) != 0 ? NeighbourState::failed : NeighbourState::none;
}

Result<void> readLinks(netlink::Socket& socket, Sighting& out) {
  TWILL_TRY(const auto links, dump(socket, RTM_GETLINK, netlink::encodeLinkFilter));
  std::map<std::string, int> masters;
  std::map<std::string, int> underlays;
  for (const auto& payload : links) {
    auto message = netlink::decodeLink(payload);
    if (!message || message->fromBridge) continue;
    const std::string name = message->link.name;
    out.names[message->link.index] = name;
    masters[name] = message->master;
    if (message->link.vxlan) underlays[name] = message->underlay;
    const auto nsid = Attributes(payload, sizeof(ifinfomsg)).u32(IFLA_LINK_NETNSID);
    if (message->link.kind == LinkKind::veth) {
      out.cableEnds[name] = {message->peerIndex, nsid.has_value(), nsid.value_or(0)};
    }
    out.place.interfaces[name].link = std::move(message->link);
  }
  for (const auto& [name, master] : masters) {
    if (master != 0) out.place.interfaces[name].link.master = out.names[master];
  }
  for (const auto& [name, underlay] : underlays) {
    if (underlay != 0) out.place.interfaces[name].link.vxlan->underlay = out.names[underlay];
  }
  return {};
}

/// The interface with that index, null for one that came after the links were read.
Interface* interfaceAt(Sighting& sighting, int index) {
  const auto name = sighting.names.find(index);
  return name == sighting.names.end() ? nullptr : &sighting.place.interfaces[name->second];
}

Result<void> readAddresses(netlink::Socket& socket, Sighting& out) {
  TWILL_TRY(const auto addresses,
            dump(socket, RTM_GETADDR, [](auto& message) { message.template header<ifaddrmsg>(); }));
  for (const auto& payload : addresses) {
    const auto message = netlink::decodeAddress(payload);
    Interface* interface = message ? interfaceAt(out, message->index) : nullptr;
    if (interface != nullptr) interface->addresses.push_back(message->address.address);
  }
  return {};
}

Result<void> readNeighbours(netlink::Socket& socket, Sighting& out) {
  TWILL_TRY(const auto entries,
            dump(socket, RTM_GETNEIGH, [](auto& message) { message.template header<ndmsg>(); }));
  for (const auto& payload : entries) {
    const auto message = netlink::decodeNeighbour(payload);
    const Interface* interface = message ? interfaceAt(out, message->index) : nullptr;
    if (interface == nullptr) continue;
    out.place.neighbours.push_back({.link = interface->link.name,
                                    .address = message->neighbour.address,
                                    .mac = message->neighbour.mac,
                                    .state = stateOf(netlink::headerOf<ndmsg>(payload)->ndm_state)});
  }
  TWILL_TRY(const auto proxied, dump(socket, RTM_GETNEIGH, [](auto& message) {
              message.template header<ndmsg>().ndm_flags = NTF_PROXY;
            }));
  for (const auto& payload : proxied) {
    const auto header = netlink::headerOf<ndmsg>(payload);
    const auto address = Attributes(payload, sizeof(ndmsg)).address(NDA_DST);
    Interface* interface = header && address ? interfaceAt(out, header->ndm_ifindex) : nullptr;
    if (interface != nullptr) interface->proxied.push_back(*address);
  }
  return {};
}

Result<void> readForwarding(netlink::Socket& socket, Sighting& out) {
  for (const auto& [name, interface] : out.place.interfaces) {
    if (!interface.link.vxlan) continue;
    const int index = interface.link.index;
    TWILL_TRY(const auto entries, dump(socket, RTM_GETNEIGH, [index](auto& message) {
                netlink::encodeForwardingFilter(message, index);
              }));
    for (const auto& payload : entries) {
      auto message = netlink::decodeForwarding(payload);
      if (!message) continue;
      message->entry.link = name;
      out.place.forwarding.push_back(std::move(message->entry));
    }
  }
  return {};
}

Result<void> readRoutes(netlink::Socket& socket, Sighting& out) {
  for (const Family family : {Family::v4, Family::v6}) {
    TWILL_TRY(const auto routes, dump(socket, RTM_GETROUTE,
                                      [&](auto& message) { netlink::encodeRouteFilter(message, family); }));
    for (const auto& payload : routes) {
      auto message = netlink::decodeRoute(payload);
      if (!message) continue;
      if (message->index != 0) message->route.link = out.names[message->index];
      out.place.routes.push_back(std::move(message->route));
    }
  }
  return {};
}

/// Settings for one link that count when they are on for it or for all.
void readSettings(Place& place) {
  const auto on = [](const std::string& path) {
    const auto found = readSysctls({path});
    return !found.empty() && found.begin()->second.value == "1";
  };
  const bool proxiesAll = on("net/ipv4/conf/all/proxy_arp");
  const bool forwardsAll = on("net/ipv6/conf/all/forwarding");
  for (auto& [name, interface] : place.interfaces) {
    interface.proxyArp = proxiesAll || on(fmt::format("net/ipv4/conf/{}/proxy_arp", name));
    interface.forwards6 = forwardsAll || on(fmt::format("net/ipv6/conf/{}/force_forwarding", name));
  }
}

Result<std::optional<IpipTunnel>> ipipAt(netlink::Socket& socket, int link, bool entrance) {
  TWILL_TRY(const auto program, findProgram(socket, link, entrance, entrance ? kIpipReceiver : kIpipSender));
  if (!program) return std::nullopt;
  TWILL_TRY(auto tunnel, lookAtIpip(*program));
  return std::optional(std::move(tunnel));
}

Result<void> readPrograms(netlink::Socket& socket, Place& place) {
  if (place.kind != PlaceKind::node) return {};
  for (auto& [name, interface] : place.interfaces) {
    const int link = interface.link.index;
    TWILL_TRY(interface.fastPath, hasProgram(socket, link, kFastPathPrograms));
    TWILL_TRY(interface.ipipExit, ipipAt(socket, link, false));
    TWILL_TRY(interface.ipipEntrance, ipipAt(socket, link, true));
  }
  return {};
}

Result<void> look(Sighting& out) {
  TWILL_TRY(const auto guard, NamespaceGuard::enter(*out.netns));
  TWILL_TRY(auto socket, netlink::Socket::open(NETLINK_ROUTE));
  TWILL_CHECK(readLinks(socket, out));
  TWILL_CHECK(readAddresses(socket, out));
  TWILL_CHECK(readNeighbours(socket, out));
  TWILL_CHECK(readForwarding(socket, out));
  TWILL_CHECK(readRoutes(socket, out));
  TWILL_CHECK(readPrograms(socket, out.place));
  readSettings(out.place);
  out.place.lookUp = [netns = out.netns](const RouteQuery& query) -> Result<RouteAnswer> {
    TWILL_TRY(const auto inside, NamespaceGuard::enter(*netns));
    return lookUpRoute(query);
  };
  return {};
}

/// The number by which the socket's namespace knows another one; nothing when it has none.
std::optional<std::uint32_t> nsidOf(netlink::Socket& socket, const Fd& other) {
  netlink::Message request(RTM_GETNSID, 0);
  request.header<rtgenmsg>();
  request.putU32(NETNSA_FD, static_cast<std::uint32_t>(other.get()));
  const auto answer = socket.get(request);
  if (!answer) return std::nullopt;
  return Attributes(*answer, sizeof(rtgenmsg)).u32(NETNSA_NSID);
}

/// Where the cable from `link` of sightings[at] ends. Index numbers repeat from place to place; the kernel
/// tells those that fit apart by its number for their namespace.
std::optional<Port> otherEnd(const std::vector<Sighting>& sightings, std::size_t at, const std::string& link,
                             netlink::Socket& socket) {
  const CableEnd& end = sightings[at].cableEnds.at(link);
  const int index = sightings[at].place.interfaces.at(link).link.index;
  for (std::size_t i = 0; i < sightings.size(); ++i) {
    if (end.elsewhere == (i == at)) continue;
    const auto name = sightings[i].names.find(end.peerIndex);
    if (name == sightings[i].names.end()) continue;
    const auto back = sightings[i].cableEnds.find(name->second);
    if (back == sightings[i].cableEnds.end() || back->second.peerIndex != index) continue;
    if (!end.elsewhere || nsidOf(socket, *sightings[i].netns) == end.nsid) return Port{i, name->second};
  }
  return std::nullopt;
}

Result<void> findCables(std::vector<Sighting>& sightings, std::size_t at) {
  TWILL_TRY(const auto guard, NamespaceGuard::enter(*sightings[at].netns));
  TWILL_TRY(auto socket, netlink::Socket::open(NETLINK_ROUTE));
  for (const auto& [link, end] : sightings[at].cableEnds) {
    sightings[at].place.interfaces[link].cable = otherEnd(sightings, at, link, socket);
  }
  return {};
}

}  // namespace

Result<Network> survey(std::vector<Site> sites) {
  std::vector<Sighting> sightings(sites.size());
  for (std::size_t i = 0; i < sites.size(); ++i) {
    sightings[i].place.name = std::move(sites[i].name);
    sightings[i].place.kind = sites[i].kind;
    sightings[i].place.udp = std::move(sites[i].udp);
    sightings[i].netns = std::make_shared<Fd>(std::move(sites[i].netns));
    if (auto done = look(sightings[i]); !done)
      return Failure(std::move(done.error()).in(sightings[i].place.name));
  }
  for (std::size_t i = 0; i < sightings.size(); ++i) {
    if (auto done = findCables(sightings, i); !done) {
      return Failure(std::move(done.error()).in(sightings[i].place.name));
    }
  }
  Network network;
  for (auto& sighting : sightings) network.places.push_back(std::move(sighting.place));
  return network;
}

}  // namespace twill::trace
