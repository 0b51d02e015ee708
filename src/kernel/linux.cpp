// SPDX-License-Identifier: Apache-2.0
#include "kernel/linux.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "kernel/apply.hpp"
#include "kernel/link.hpp"
#include "kernel/read.hpp"
#include "kernel/sysctl.hpp"
#include "plan/words.hpp"

namespace twill {
namespace {

/// Room for about 10,000 notifications, at some 750 bytes of kernel memory each.
constexpr int kMonitorBuffer = 8 << 20;

/// The link whose filters, or the place for them, came or went.
int linkOfPrograms(const netlink::Received& message) {
  if (message.type != RTM_NEWTFILTER && message.type != RTM_DELTFILTER && message.type != RTM_DELQDISC)
    return 0;
  const auto header = netlink::headerOf<tcmsg>(message.payload);
  return header ? header->tcm_ifindex : 0;
}

}  // namespace

Result<std::unique_ptr<LinuxKernel>> LinuxKernel::open() {
  TWILL_TRY(auto requests, netlink::Socket::open(NETLINK_ROUTE));
  TWILL_TRY(auto monitor, netlink::Socket::open(NETLINK_ROUTE));
  std::unique_ptr<LinuxKernel> kernel(
      new LinuxKernel(std::move(requests), std::move(monitor), Nftables::open()));
  TWILL_CHECK(kernel->arm());
  TWILL_TRY(auto removals, netlink::Socket::open(NETLINK_ROUTE));
  kernel->reaper_ = std::make_unique<Reaper>(std::move(removals), [kernel = kernel.get()] {
    kernel->hidWrongly_ = true;
    ::eventfd_write(kernel->touched_.get(), 1);
  });
  return kernel;
}

Result<void> LinuxKernel::arm() {
  monitor_.setReceiveBuffer(kMonitorBuffer);
  for (unsigned group :
       {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
        RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, RTNLGRP_NEIGH, RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF}) {
    TWILL_CHECK(monitor_.join(group));
  }
  touched_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!touched_) return failErrno("cannot make an eventfd");
  epoll_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) return failErrno("cannot make an epoll instance");
  std::vector<int> watched{monitor_.fd(), touched_.get()};
  if (nftables_) watched.push_back(nftables_->fd());
  for (int fd : watched) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return failErrno("cannot watch a socket");
  }
  return {};
}

// Links that are being removed are gone as far as the caller is concerned. Which ones is asked before the
// kernel is: what vanishes in between is announced.

Result<KernelState> LinuxKernel::read(const Interest& interest) {
  const auto dying = reaper_->dying();
  hidWrongly_ = false;
  monitor_.discard();
  proxies_.clear();
  fastPath_.doubt(0);
  ipip_.doubt(0);
  tunnelPorts_.doubt(0);
  TWILL_TRY(auto state, readState(requests_, mirror_, interest));
  for (const auto& link : dying) forgetLink(link, state);
  state.sysctls = readSysctls(interest.sysctls);
  // A node without nftables still has routes to care for; writing a table says what is wrong.
  if (nftables_) (void)nftables_->read(state, !std::exchange(lost_, false));
  return state;
}

std::vector<Result<void>> LinuxKernel::apply(std::span<const Operation> operations) {
  Application application(requests_, nftables_, *reaper_, operations);
  auto results = application.run();
  if (application.wroteSettings()) {
    settingsStale_ = true;
    ::eventfd_write(touched_.get(), 1);
  }
  noteProxies(operations, results);
  return results;
}

Result<void> LinuxKernel::watchPrograms() {
  if (!watchesPrograms_) TWILL_CHECK(monitor_.join(RTNLGRP_TC));
  watchesPrograms_ = true;
  return {};
}

Result<void> LinuxKernel::setFastPath(const std::optional<FastPath>& wanted) {
  if (!wanted) return fastPath_.remove();
  TWILL_CHECK(watchPrograms());
  return fastPath_.follow(*wanted);
}

Result<void> LinuxKernel::setIpip(const std::optional<IpipTunnel>& wanted) {
  if (!wanted) return ipip_.remove();
  TWILL_CHECK(watchPrograms());
  return ipip_.follow(*wanted);
}

Result<void> LinuxKernel::setTunnelPorts(const std::vector<ContainerPort>& wanted) {
  if (!wanted.empty()) TWILL_CHECK(watchPrograms());
  return tunnelPorts_.follow(wanted);
}

Result<void> LinuxKernel::hasDriver(LinkKind kind) {
  const auto known = drivers_.find(kind);
  if (known != drivers_.end()) return known->second;
  netlink::Message request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  netlink::encodeImpossibleIpTunnel(request, kind);
  auto answer = requests_.run(request);
  if (answer || answer.error().code == EINVAL) {
    answer = {};
  } else if (answer.error().code == EOPNOTSUPP) {
    answer = fail(fmt::format("the kernel has no driver {}", kindWord(kind)), Error::Kind::missing);
  } else {
    answer = Failure(std::move(answer).error().in(fmt::format("ask for the driver {}", kindWord(kind))));
  }
  return drivers_.emplace(kind, std::move(answer)).first->second;
}

Kernel::Drained LinuxKernel::drain(KernelState& state, const Interest& interest) {
  eventfd_t ignored = 0;
  ::eventfd_read(touched_.get(), &ignored);
  const auto dying = reaper_->dying();
  const auto out = drainRtnetlink(state, interest);
  if (out == Drained::lost || hidWrongly_) {
    lost_ = true;
    return Drained::lost;
  }
  const auto proxies = drainProxies(state);
  for (const auto& link : dying) forgetLink(link, state);
  return std::max({out, proxies, drainSettings(state, interest), drainFirewall(state)});
}

Kernel::Drained LinuxKernel::drainRtnetlink(KernelState& state, const Interest& interest) {
  auto out = Drained::nothing;
  while (out != Drained::lost) {
    const auto datagram = monitor_.poll();
    if (!datagram) return Drained::lost;
    if (datagram->empty()) break;
    netlink::forEachMessage(*datagram, [&](const netlink::Received& message) {
      if (message.type == RTM_NEWNETCONF || message.type == RTM_DELNETCONF) settingsStale_ = true;
      if (const int link = linkOfPrograms(message); link != 0) {
        const bool ours[] = {fastPath_.doubt(link), ipip_.doubt(link), tunnelPorts_.doubt(link)};
        if (std::ranges::count(ours, true) > 0) out = std::max(out, Drained::changed);
      }
      if (out != Drained::lost) out = std::max(out, mirror_.fold(message, state, interest));
    });
  }
  if (out != Drained::lost && readOffloads(mirror_, state)) out = Drained::changed;
  return out;
}

void LinuxKernel::noteProxies(std::span<const Operation> operations, std::span<const Result<void>> results) {
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const auto* neighbour = std::get_if<Neighbour>(&operations[i].object);
    if (neighbour == nullptr || !neighbour->proxy || !results[i]) continue;
    proxies_.push_back(operations[i]);
    std::get<Neighbour>(proxies_.back().object).owner.clear();
  }
  if (!proxies_.empty()) ::eventfd_write(touched_.get(), 1);
}

Kernel::Drained LinuxKernel::drainProxies(KernelState& state) {
  auto out = Drained::nothing;
  for (const auto& [verb, object] : std::exchange(proxies_, {})) {
    const auto& proxy = std::get<Neighbour>(object);
    const auto link = state.links.find(proxy.link);
    if (verb == Verb::remove || link == state.links.end() || !link->second.up) {
      if (state.neighbours.erase(keyOf(proxy)) != 0) out = Drained::changed;
    } else if (state.neighbours.try_emplace(keyOf(proxy), proxy).second) {
      out = Drained::changed;
    }
  }
  return out;
}

/// RTM_NEWNETCONF tells of a few settings only, and not in the form of /proc/sys: it is the cue to look.
Kernel::Drained LinuxKernel::drainSettings(KernelState& state, const Interest& interest) {
  if (!std::exchange(settingsStale_, false)) return Drained::nothing;
  auto sysctls = readSysctls(interest.sysctls);
  if (sysctls == state.sysctls) return Drained::nothing;
  state.sysctls = std::move(sysctls);
  return Drained::changed;
}

Kernel::Drained LinuxKernel::drainFirewall(KernelState& state) {
  if (!nftables_) return Drained::nothing;
  const auto changed = nftables_->refresh(state);
  return changed && *changed ? Drained::changed : Drained::nothing;
}

}  // namespace twill
