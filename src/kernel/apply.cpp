// SPDX-License-Identifier: Apache-2.0
#include "kernel/apply.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "kernel/address.hpp"
#include "kernel/ethtool.hpp"
#include "kernel/link.hpp"
#include "kernel/neighbour.hpp"
#include "kernel/read.hpp"
#include "kernel/route.hpp"
#include "kernel/rule.hpp"
#include "kernel/sysctl.hpp"
#include "kernel/tun.hpp"
#include "kernel/veth.hpp"

namespace twill {
namespace {

using netlink::Message;

constexpr std::uint16_t kAdd = NLM_F_CREATE | NLM_F_EXCL;
constexpr std::uint16_t kReplace = NLM_F_CREATE | NLM_F_REPLACE;

constexpr std::array<std::uint8_t, 16> kNoAddress{};

/// Requests that are written before they are sent: many windows of the socket's, and few enough to stay in a
/// processor's cache.
constexpr std::size_t kGathered = 4096;

bool isGone(const Error& error) {
  switch (error.code) {
    case ESRCH:          // route
    case ENODEV:         // link
    case ENOENT:         // neighbour, rule
    case EADDRNOTAVAIL:  // address
      return true;
    default:
      return false;
  }
}

}  // namespace

std::vector<Result<void>> Application::run() {
  while (at_ < operations_.size()) {
    const auto& [verb, object] = operations_[at_];
    if (!std::holds_alternative<SetElement>(object)) flushElements();
    if (verb == Verb::remove && std::holds_alternative<Link>(object)) {
      at_ += removeLinks();
      continue;
    }
    auto outcome = std::visit([&, verb = verb](const auto& one) { return perform(verb, one); }, object);
    if (!outcome) settle(at_, std::move(outcome));
    ++at_;
  }
  flushElements();
  flush();
  resolveExisting();
  return std::move(results_);
}

void Application::gather(const Message& message) {
  batch_.add(message);
  gathered_.push_back(at_);
  if (gathered_.size() == kGathered) flush();
}

void Application::flush() {
  auto outcomes = socket_.run(batch_);
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    if (!outcomes[i]) settle(gathered_[i], std::move(outcomes[i]));
  }
  batch_.clear();
  gathered_.clear();
}

void Application::flushElements() {
  if (elements_.empty()) return;
  flush();
  const auto gathered = std::exchange(elements_, {});
  std::vector<const Operation*> steps;
  steps.reserve(gathered.size());
  for (const auto operation : gathered) steps.push_back(&operations_[operation]);
  auto outcomes = nftables_->change(steps);
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    if (!outcomes[i]) settle(gathered[i], std::move(outcomes[i]));
  }
}

void Application::settle(std::size_t operation, Result<void> outcome) {
  const auto verb = operations_[operation].verb;
  if (!results_[operation]) return;  // the first failure of several is the cause
  if (verb == Verb::remove && isGone(outcome.error())) return;
  if (verb == Verb::add && outcome.error().code == EEXIST) existing_.push_back(operation);
  results_[operation] = Failure(std::move(outcome).error().in(describe(operations_[operation])));
}

void Application::resolveExisting() {
  if (existing_.empty()) return;
  Mirror mirror;
  const Interest everything{.networks = {Prefix(), Prefix(IpAddress::fromBytes(kNoAddress), 0)}};
  const auto actual = readState(socket_, mirror, everything);
  if (!actual) return;
  for (const auto operation : existing_) {
    KernelState part;
    std::visit(
        [&](const auto& object) {
          if constexpr (requires { part.put(object); }) part.put(object);
        },
        operations_[operation].object);
    const auto left = additions(part, *actual);
    if (!left.obstacles.empty()) {
      results_[operation] = fail(left.obstacles.front().text, Error::Kind::exists);
    } else if (left.empty()) {
      results_[operation] = {};
    }
  }
}

Result<int> Application::indexOf(const std::string& link) {
  if (const auto known = indices_.find(link); known != indices_.end()) return known->second;
  flush();
  const auto index = static_cast<int>(::if_nametoindex(link.c_str()));
  if (index == 0) return failErrno(fmt::format("there is no interface {}", link), ENODEV);
  indices_.emplace(link, index);
  return index;
}

Result<void> Application::perform(Verb verb, const Sysctl& sysctl) {
  if (verb == Verb::remove) return {};  // what it was before is not known
  flush();
  wroteSettings_ = true;
  return writeSysctl(sysctl);
}

Result<void> Application::perform(Verb verb, const Firewall& firewall) {
  if (!nftables_) return Failure(nftables_.error());
  flush();
  return verb == Verb::remove ? nftables_->remove(firewall.table) : nftables_->write(firewall);
}

Result<void> Application::perform(Verb, const SetElement&) {
  if (!nftables_) return Failure(nftables_.error());
  elements_.push_back(at_);
  return {};
}

Result<void> Application::perform(Verb verb, const Link& link) {
  flush();
  TWILL_CHECK(netlink::checkLinkName(link.name));
  return verb == Verb::add ? addLink(link) : changeLink(link);
}

/// A link that is being removed may hold the name here, and hides whatever has it, or in the container.
Result<void> Application::addLink(const Link& link) {
  if (reaper_.dying().contains(link.name)) reaper_.settle();
  auto made = makeLink(link);
  const bool taken = !made && (made.error().code == EEXIST || made.error().kind == Error::Kind::exists);
  return taken && reaper_.settle() ? makeLink(link) : made;
}

Result<void> Application::makeLink(const Link& link) {
  int master = 0;
  if (!link.master.value_or("").empty()) {
    TWILL_TRY(master, indexOf(*link.master));
  }
  // What comes after making the link goes by its name: it must not meet somebody else's of that name.
  if (::if_nametoindex(link.name.c_str()) != 0) return failErrno("its name is taken", EEXIST);
  indices_.erase(link.name);
  if (link.kind == LinkKind::veth && link.peer) return addVeth(socket_, link, master);
  if (link.vxlan) return makeVxlan(link);
  if (link.ipTunnel) return makeIpTunnel(link);
  if (link.kind == LinkKind::tun) return makeTun(link);
  if (link.kind != LinkKind::bridge) {
    return fail(
        fmt::format("{} can only be changed; Twill makes bridges, VXLAN, ipip, sit and TUN devices, and "
                    "veths with a peer",
                    link.name),
        Error::Kind::invalid);
  }
  Message make(RTM_NEWLINK, kAdd);
  netlink::encodeNewBridge(make, link);
  gather(make);
  Message settings(RTM_NEWLINK, 0);
  netlink::encodeLinkSettings(settings, link, {});
  gather(settings);
  return {};
}

Result<void> Application::makeVxlan(const Link& link) {
  TWILL_TRY(const int underlay, indexOf(link.vxlan->underlay));
  Message make(RTM_NEWLINK, kAdd);
  netlink::encodeNewVxlan(make, link, underlay);
  TWILL_CHECK(socket_.run(make));
  auto up = link.checksumOffload == false ? ethtool::setChecksumOffload(link.name, false) : Result<void>();
  if (up) up = setUpSilently(link);
  if (up) return {};
  unmake(link);
  const bool taken = up.error().code == EADDRINUSE;
  return Failure(std::move(up).error().in(
      taken ? fmt::format("UDP port {} is in use; end who has it, or choose another Port", link.vxlan->port)
            : "it cannot be set up"));
}

Result<void> Application::makeIpTunnel(const Link& link) {
  Message make(RTM_NEWLINK, kAdd);
  netlink::encodeNewIpTunnel(make, link);
  if (auto made = socket_.run(make); !made) {
    if (made.error().code != EEXIST) return made;
    return Failure(std::move(made).error().in(
        fmt::format("a tunnel that is not Twill's has {} as local address and none as remote; delete it (ip "
                    "tunnel), or choose Backend.Engine ebpf",
                    link.ipTunnel->local.text())));
  }
  auto up = setUpSilently(link);
  if (up) return {};
  unmake(link);
  return Failure(std::move(up).error().in("it cannot be set up"));
}

/// The kernel may not have told of its alias yet, so that what is left would count as somebody else's.
void Application::unmake(const Link& link) {
  Message undo(RTM_DELLINK, 0);
  netlink::encodeDeleteLink(undo, link.name);
  (void)socket_.run(undo);  // the first failure is the one to tell
}

/// It is kept only with its alias: without, it would count as somebody else's and stand in the way for ever.
Result<void> Application::makeTun(const Link& link) {
  TWILL_TRY(Fd device, openTun(link.name));
  Link down = link;
  down.up = false;
  auto ready = setUpSilently(down);
  if (!ready) return Failure(std::move(ready).error().in("it cannot be set up"));
  TWILL_CHECK(keepTun(device));
  device.reset();  // before it is up: it would have a carrier, and packets would go to us
  return changeLink(link);
}

Result<void> Application::setUpSilently(const Link& link) {
  // Before it is up: then it would have one already, and its solicitations would go to all nodes.
  Message silent(RTM_NEWLINK, 0);
  netlink::encodeNoLinkLocal(silent, link.name);
  (void)socket_.run(silent);  // a kernel without IPv6 is silent already
  Message settings(RTM_NEWLINK, 0);
  netlink::encodeLinkSettings(settings, link, {});
  return socket_.run(settings);
}

Result<void> Application::changeLink(const Link& link) {
  std::optional<int> master;
  if (link.master) {
    master = 0;
    if (!link.master->empty()) {
      TWILL_TRY(master, indexOf(*link.master));
    }
  }
  TWILL_TRY(const int index, indexOf(link.name));
  Message request(RTM_GETLINK, 0);
  netlink::encodeGetLink(request, link.name);
  TWILL_TRY(const auto payload, socket_.get(request));
  const auto actual = netlink::decodeLink(payload);
  if (link.peer && actual && actual->link.alias == kUnfinishedAlias) return finishVeth(socket_, link, master);
  Link changed = link;
  // The kernel forgets the link's neighbours when it is given a MAC, be it the one that it has.
  if (actual && actual->link.mac == link.mac) changed.mac.reset();
  Message settings(RTM_NEWLINK, 0);
  netlink::encodeLinkSettings(settings, changed, master);
  gather(settings);
  if (link.hairpin) {
    Message hairpin(RTM_SETLINK, 0);
    netlink::encodeHairpin(hairpin, index, *link.hairpin);
    gather(hairpin);
  }
  if (link.checksumOffload) return ethtool::setChecksumOffload(link.name, *link.checksumOffload);
  return {};
}

std::size_t Application::removeLinks() {
  flush();
  indices_.clear();
  std::vector<std::string> names;
  for (const auto& [verb, object] : operations_.subspan(at_)) {
    if (verb != Verb::remove || !std::holds_alternative<Link>(object)) break;
    names.push_back(std::get<Link>(object).name);
  }
  reaper_.remove(names);
  return names.size();
}

Result<void> Application::perform(Verb verb, const Address& address) {
  TWILL_TRY(const int index, indexOf(address.link));
  const bool remove = verb == Verb::remove;
  Message message(remove ? RTM_DELADDR : RTM_NEWADDR, remove ? 0 : verb == Verb::add ? kAdd : kReplace);
  netlink::encodeAddress(message, address.address, index, address.protocol);
  gather(message);
  return {};
}

Result<void> Application::perform(Verb verb, const Neighbour& neighbour) {
  TWILL_TRY(const int index, indexOf(neighbour.link));
  const bool remove = verb == Verb::remove;
  // Replace: an entry that the kernel learned may be there, and it is nobody's.
  Message message(remove ? RTM_DELNEIGH : RTM_NEWNEIGH, remove ? 0 : kReplace);
  if (remove) {
    netlink::encodeDeleteNeighbour(message, neighbour, index);
  } else {
    netlink::encodeNeighbour(message, neighbour, index);
  }
  gather(message);
  return {};
}

Result<void> Application::perform(Verb verb, const ForwardingEntry& entry) {
  TWILL_TRY(const int index, indexOf(entry.link));
  const bool remove = verb == Verb::remove;
  Message message(remove ? RTM_DELNEIGH : RTM_NEWNEIGH, remove ? 0 : kReplace);
  netlink::encodeForwarding(message, entry, index);
  gather(message);
  return {};
}

Result<void> Application::perform(Verb verb, const Route& route) {
  int index = 0;
  if (!route.link.empty()) {
    TWILL_TRY(index, indexOf(route.link));
  }
  const bool remove = verb == Verb::remove;
  Message message(remove ? RTM_DELROUTE : RTM_NEWROUTE, remove ? 0 : verb == Verb::add ? kAdd : kReplace);
  if (remove) {
    netlink::encodeDeleteRoute(message, route, index);
  } else {
    netlink::encodeRoute(message, route, index);
  }
  gather(message);
  return {};
}

Result<void> Application::perform(Verb verb, const Rule& rule) {
  const bool remove = verb == Verb::remove;
  Message message(remove ? RTM_DELRULE : RTM_NEWRULE, remove ? 0 : kAdd);
  netlink::encodeRule(message, rule);
  gather(message);
  return {};
}

}  // namespace twill
