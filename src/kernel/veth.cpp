// SPDX-License-Identifier: Apache-2.0
#include "kernel/veth.hpp"

#include <algorithm>
#include <array>
#include <map>

#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "kernel/address.hpp"
#include "kernel/container_route.hpp"
#include "kernel/link.hpp"
#include "kernel/netns.hpp"
#include "kernel/qdisc.hpp"
#include "kernel/read.hpp"
#include "kernel/sysctl.hpp"

namespace twill {
namespace {

using netlink::Message;

constexpr int kLoopback = 1;  // LOOPBACK_IFINDEX, net/net_namespace.h of the kernel: in every namespace

/// What is needed from inside the peer's namespace; the work itself is done from outside.
struct Inside {
  netlink::Socket socket;
  int peer = 0;  ///< ifindex there
};

Failure stale(std::string text) {
  return Failure(Error{.text = std::move(text), .kind = Error::Kind::invalid, .code = ESTALE});
}

Result<Fd> openPeerNamespace(const VethPeer& peer) {
  auto netns = openNamespace(peer.netns);
  if (!netns) {
    const auto& error = netns.error();
    const bool gone = error.code == ENOENT || error.code == ENOTDIR || error.kind == Error::Kind::invalid;
    return gone ? stale(error.text) : Failure(error);
  }
  if (!peer.netnsId.empty() && namespaceId(*netns) != peer.netnsId) {
    return stale(fmt::format("{} is another network namespace by now; the container's is gone", peer.netns));
  }
  TWILL_TRY(const Fd own, ownNamespace());
  if (!sameNamespace(*netns, own)) return std::move(*netns);
  return stale(fmt::format("{} is the node's own network namespace; expected the container's", peer.netns));
}

bool hasIpv6(const VethPeer& peer) {
  return std::any_of(peer.addresses.begin(), peer.addresses.end(),
                     [](const auto& address) { return !address.address.isV4(); });
}

Result<Inside> lookInside(const VethPeer& peer, const Fd& netns) {
  TWILL_TRY(const NamespaceGuard guard, NamespaceGuard::enter(netns));
  TWILL_TRY(auto socket, netlink::Socket::open(NETLINK_ROUTE));
  const auto index = static_cast<int>(::if_nametoindex(peer.name.c_str()));
  if (index == 0) return failErrno(fmt::format("{} is not in {} any more", peer.name, peer.netns), ENODEV);
  if (hasIpv6(peer)) {
    // Container runtimes like to turn IPv6 off by default; then the kernel would refuse the address. And what
    // a container needs to know it is told here: a router advertisement can only be another container's.
    for (const char* setting : {"disable_ipv6", "accept_ra"}) {
      const auto path = fmt::format("net/ipv6/conf/{}/{}", peer.name, setting);
      TWILL_CHECK(writeSysctl({.path = path, .value = "0", .owner = {}}));
    }
  }
  return Inside{.socket = std::move(socket), .peer = index};
}

/// On a link that is down, while it costs nothing: to change what a link that is up sends through takes an
/// RCU grace period.
Result<void> limitRate(netlink::Socket& socket, const Rate& rate, const Link& link, int index,
                       const std::string& name) {
  Message limit(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE);
  netlink::encodeBucket(limit, bucketOf(rate, link.mtu.value_or(kDefaultMtu)), index);
  auto limited = socket.run(limit);
  if (limited) return {};
  const bool unknown = limited.error().code == ENOENT;
  return Failure(std::move(limited).error().in(fmt::format(
      "cannot limit what {} sends{}", name, unknown ? "; does the kernel have the module sch_tbf?" : "")));
}

/// A container with IPv4 alone would speak IPv6 on the bridge all the same: its kernel solicits routers for
/// 12 s and tells which groups it listens to, each time to every other container.
void keepIpv6Silent(const VethPeer& peer, netlink::Socket& inside) {
  if (hasIpv6(peer)) return;
  Message silent(RTM_NEWLINK, 0);
  netlink::encodeNoLinkLocal(silent, peer.name);
  (void)inside.run(silent);  // a namespace or kernel without IPv6 is silent already
}

/// Safe to do again: what is there already is replaced by the same.
Result<void> configurePeer(const VethPeer& peer, Inside& inside) {
  keepIpv6Silent(peer, inside.socket);
  netlink::Batch batch;
  std::vector<std::string> steps;
  for (const int index : {kLoopback, inside.peer}) {
    Message up(RTM_NEWLINK, 0);
    netlink::encodeLinkUp(up, index);
    batch.add(up);
    steps.push_back(fmt::format("cannot set {} up", index == kLoopback ? "lo" : peer.name));
  }
  for (const auto& address : peer.addresses) {
    Message add(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
    netlink::encodeAddress(add, address, inside.peer, peer.protocol);
    batch.add(add);
    steps.push_back(fmt::format("cannot give {} the address {}", peer.name, address.text()));
  }
  auto results = inside.socket.run(batch);
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (!results[i]) return Failure(std::move(results[i]).error().in(steps[i] + " in " + peer.netns));
  }
  for (const auto& route : peer.routes) {
    auto added = addContainerRoute(inside.socket, route, inside.peer, peer.protocol);
    if (added) continue;
    return Failure(
        std::move(added).error().in(fmt::format("cannot add the route to {}{} in {}", route.dst.text(),
                                                route.via ? " via " + route.via->text() : "", peer.netns)));
  }
  return {};
}

/// Nobody talks to the node's end of a veth by an address of the kernel's choice. A port of a bridge needs no
/// IPv6 at all: with it each has a route, and the kernel goes through all of them whenever a link changes.
void silenceNodesEnd(netlink::Socket& socket, const std::string& name, bool isPort) {
  if (isPort) {
    const Sysctl off{.path = fmt::format("net/ipv6/conf/{}/disable_ipv6", name), .value = "1", .owner = {}};
    if (writeSysctl(off)) return;
  }
  Message quiet(RTM_NEWLINK, 0);
  netlink::encodeNoLinkLocal(quiet, name);
  (void)socket.run(quiet);  // no IPv6, no address
}

Result<void> create(netlink::Socket& socket, const Link& link, int master, const Fd& netns) {
  netlink::Batch batch;
  Link born = link;
  born.up = false;
  Message make(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  netlink::encodeNewVeth(make, born, master, netns.get());
  batch.add(make);
  const Link marked{.name = link.name, .alias = kUnfinishedAlias, .up = false};
  Message mark(RTM_NEWLINK, 0);
  netlink::encodeLinkSettings(mark, marked, {});
  batch.add(mark);
  auto results = socket.run(batch);
  if (!results[0] && results[0].error().kind == Error::Kind::exists) {
    return fail(fmt::format("{} has an interface {} already; remove it there or choose another name",
                            link.peer->netns, link.peer->name),
                Error::Kind::exists);
  }
  for (auto& result : results) TWILL_CHECK(std::move(result));
  return {};
}

/// With link.rate it stays down for now, see limitRate().
Result<void> bringUp(netlink::Socket& socket, const Link& link, int master) {
  silenceNodesEnd(socket, link.name, master != 0);
  const Link wanted{.name = link.name, .alias = kUnfinishedAlias, .up = link.up && !link.rate};
  Message up(RTM_NEWLINK, 0);
  netlink::encodeLinkSettings(up, wanted, {});
  return socket.run(up);
}

}  // namespace

Result<PeerNamespace> readPeerNamespace(const VethPeer& peer) {
  TWILL_TRY(const Fd netns, openPeerNamespace(peer));
  TWILL_TRY(const NamespaceGuard guard, NamespaceGuard::enter(netns));
  TWILL_TRY(auto socket, netlink::Socket::open(NETLINK_ROUTE));
  Mirror mirror;
  PeerNamespace out;
  TWILL_TRY(out.state, readState(socket, mirror, {}));
  std::map<int, std::string> names;
  for (const auto& [name, link] : out.state.links) names[link.index] = name;
  TWILL_TRY(auto routes, readEveryTable(socket));
  for (auto& found : routes) {
    if (found.index != 0) found.route.link = names[found.index];
    out.routes.push_back(std::move(found.route));
  }
  return out;
}

Result<void> finishVeth(netlink::Socket& socket, const Link& link, std::optional<int> master) {
  TWILL_TRY(const Fd netns, openPeerNamespace(*link.peer));
  TWILL_TRY(auto inside, lookInside(*link.peer, netns));
  if (link.peer->rate) {
    TWILL_CHECK(limitRate(inside.socket, *link.peer->rate, link, inside.peer, link.peer->name));
  }
  if (link.rate) {
    const auto index = static_cast<int>(::if_nametoindex(link.name.c_str()));
    TWILL_CHECK(limitRate(socket, *link.rate, link, index, link.name));
  }
  TWILL_CHECK(configurePeer(*link.peer, inside));
  Message settings(RTM_NEWLINK, 0);
  netlink::encodeLinkSettings(settings, link, master);
  TWILL_CHECK(socket.run(settings));
  if (!link.hairpin) return {};
  Message hairpin(RTM_SETLINK, 0);
  netlink::encodeHairpin(hairpin, static_cast<int>(::if_nametoindex(link.name.c_str())), *link.hairpin);
  return socket.run(hairpin);
}

Result<void> addVeth(netlink::Socket& socket, const Link& link, int master) {
  TWILL_CHECK(netlink::checkLinkName(link.peer->name));
  TWILL_TRY(const Fd netns, openPeerNamespace(*link.peer));
  TWILL_CHECK(create(socket, link, master, netns));
  // It was born with its MAC, and a bridge looks through all of its ports when one is told its own.
  Link rest = link;
  rest.mac.reset();
  auto finished = bringUp(socket, rest, master);
  if (finished) finished = finishVeth(socket, rest, std::nullopt);
  if (finished) return {};
  Message undo(RTM_DELLINK, 0);
  netlink::encodeDeleteLink(undo, link.name);
  (void)socket.run(undo);  // it may be gone with its peer, and the first failure is the one to tell
  return finished;
}

}  // namespace twill
