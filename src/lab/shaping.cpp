// SPDX-License-Identifier: Apache-2.0
#include "lab/shaping.hpp"

#include <cmath>

#include <linux/rtnetlink.h>
#include <net/if.h>

#include "kernel/link.hpp"
#include "kernel/netns.hpp"
#include "kernel/qdisc.hpp"

namespace twill::lab {
namespace {

using netlink::Message;
using netlink::Socket;

constexpr int kLoopback = 1;  // LOOPBACK_IFINDEX, net/net_namespace.h of the kernel: in every namespace

Result<void> addNetem(const std::string& link, const netlink::Netem& netem) {
  TWILL_TRY(Socket socket, Socket::open(NETLINK_ROUTE));
  Message add(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE);
  netlink::encodeNetem(add, netem, static_cast<int>(::if_nametoindex(link.c_str())));
  auto added = socket.run(add);
  if (added) return {};
  return Failure(std::move(added).error().in("put netem on " + link));
}

}  // namespace

Impairment impairmentOf(const Spec& spec) {
  return {.loss = spec.loss, .delay = std::chrono::nanoseconds(std::llround(spec.delay * 1e6))};
}

bool kernelHasNetem() {
  auto socket = Socket::open(NETLINK_ROUTE);
  if (!socket) return false;
  Message add(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE);
  netlink::encodeNetem(add, {}, kLoopback);
  if (!socket->run(add)) return false;
  Message remove(RTM_DELQDISC, 0);
  netlink::encodeRootQdisc(remove, kLoopback);
  return socket->run(remove).has_value();
}

Result<void> shapeByNetem(const Topology& topology, const Impairment& impairment,
                          const NamespacePath& namespaceOf) {
  const netlink::Netem netem{.loss = impairment.loss, .delay = impairment.delay, .limit = kMostFrames};
  for (const NodePlan& node : topology.nodes) {
    TWILL_CHECK(addNetem(node.name, netem));
    TWILL_TRY(const Fd netns, openNamespace(namespaceOf(node.name)));
    TWILL_TRY(const NamespaceGuard guard, NamespaceGuard::enter(netns));
    TWILL_CHECK(addNetem("eth0", netem));
  }
  return {};
}

Result<void> sendOneByOne(const Topology& topology, const NamespacePath& namespaceOf) {
  for (const NodePlan& node : topology.nodes) {
    const int mtu = topology.segments[static_cast<std::size_t>(node.segment)].mtu;
    TWILL_TRY(const Fd netns, openNamespace(namespaceOf(node.name)));
    TWILL_TRY(const NamespaceGuard guard, NamespaceGuard::enter(netns));
    TWILL_TRY(Socket socket, Socket::open(NETLINK_ROUTE));
    Message limit(RTM_NEWLINK, 0);
    netlink::encodeNoGso(limit, "eth0", mtu);
    auto limited = socket.run(limit);
    if (!limited) {
      return Failure(std::move(limited).error().in("turn off segmentation offload of " + node.name +
                                                   "'s eth0, as --loss and --delay need"));
    }
  }
  return {};
}

}  // namespace twill::lab
