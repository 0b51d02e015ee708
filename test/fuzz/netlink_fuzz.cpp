// SPDX-License-Identifier: Apache-2.0
// A datagram of any bytes, as if the kernel had sent it: nothing outside of it is read, what is decoded is in
// order, and folding its messages keeps a state sound.
#include <cstdlib>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "kernel/address.hpp"
#include "kernel/mirror.hpp"
#include "kernel/neighbour.hpp"
#include "kernel/route.hpp"

using namespace twill;

namespace {

using Drained = Kernel::Drained;

void require(bool holds) {
  if (!holds) std::abort();
}

/// A message with a payload of its own, so that AddressSanitizer sees a step outside of it.
struct Owned {
  std::vector<std::uint8_t> bytes;
  netlink::Received message;

  explicit Owned(const netlink::Received& from)
      : bytes(from.payload.begin(), from.payload.end()), message(from) {
    message.payload = bytes;
  }
};

void decodeAll(netlink::Received message) {
  // Whatever the type says: decoders trust it no more than the rest.
  if (auto link = netlink::decodeLink(message.payload)) {
    require(link->link.index > 0);
    require(link->fromBridge || (!link->link.name.empty() && link->link.name.size() < 16));
  }
  if (auto address = netlink::decodeAddress(message.payload)) {
    require(address->address.address.length <= address->address.address.address.bits());
  }
  if (auto route = netlink::decodeRoute(message.payload)) {
    const Route& r = route->route;
    require(!r.source || r.source->family() == r.dst.family());
    require(!r.via || r.via->family() == r.dst.family() || r.dst.isV4());
    require(r.type == RouteType::unicast || (!r.via && route->index == 0));
  }
  (void)netlink::decodeNeighbour(message.payload);
  for (std::uint16_t type : {NLMSG_ERROR, NLMSG_DONE}) {
    message.type = type;
    auto answer = netlink::decodeAnswer(message);
    require(answer.code >= 0 && answer.code < 4096);
    require(answer.text.size() <= message.payload.size());
  }
}

/// Every object stands under its own key, on a link that is there.
void checkSound(const KernelState& state) {
  for (const auto& [name, link] : state.links) require(name == link.name && link.index > 0);
  for (const auto& [key, address] : state.addresses) {
    require(key == keyOf(address) && state.links.contains(address.link));
  }
  for (const auto& [key, neighbour] : state.neighbours) {
    require(key == keyOf(neighbour) && state.links.contains(neighbour.link));
  }
  for (const auto& [key, entry] : state.forwarding) {
    require(key == keyOf(entry) && state.links.at(entry.link).ours());
  }
  for (const auto& [key, rule] : state.rules) require(key == keyOf(rule));
  for (const auto& [key, route] : state.routes) {
    require(key == keyOf(route) && (route.link.empty() || state.links.contains(route.link)));
  }
}

bool same(const KernelState& a, const KernelState& b) {
  return a.links == b.links && a.addresses == b.addresses && a.neighbours == b.neighbours &&
         a.forwarding == b.forwarding && a.routes == b.routes && a.rules == b.rules;
}

/// Up to the first "lost", after which a state is thrown away and read anew.
void foldAll(const std::vector<Owned>& messages, Mirror mirror, KernelState state) {
  const Interest interest{.networks = {*Prefix::parse("172.16.0.0/16"), *Prefix::parse("fd42::/48")},
                          .sysctls = {}};
  for (const Owned& owned : messages) {
    const KernelState before = state;
    const Drained out = mirror.fold(owned.message, state, interest);
    if (out == Drained::lost) return;
    require(same(before, state) == (out == Drained::nothing));
    checkSound(state);
    require(mirror.fold(owned.message, state, interest) == Drained::nothing);  // a double says nothing new
  }
}

/// The links of a dump, then news.
void foldDump(const std::vector<Owned>& messages) {
  std::vector<std::vector<std::uint8_t>> links;
  for (const Owned& owned : messages) {
    const auto link = netlink::decodeLink(owned.bytes);
    if (owned.message.type == RTM_NEWLINK && link && !link->fromBridge) links.push_back(owned.bytes);
  }
  Mirror mirror;
  KernelState state;
  mirror.foldAllLinks(links, state);
  checkSound(state);
  // One that names a link twice or leaves out a bridge is what the kernel calls interrupted, and thrown away.
  if (state.links.size() == links.size()) foldAll(messages, mirror, state);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 65536) return 0;  // Socket's buffer
  std::vector<Owned> messages;
  netlink::forEachMessage({data, size}, [&](const netlink::Received& message) {
    require(message.payload.data() >= data && message.payload.data() + message.payload.size() <= data + size);
    messages.emplace_back(message);
  });
  for (const Owned& owned : messages) decodeAll(owned.message);
  foldAll(messages, {}, {});  // all news
  foldDump(messages);
  return 0;
}
