// SPDX-License-Identifier: Apache-2.0
#include "kernel/fake/fake_kernel.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <sys/eventfd.h>

#include "plan/words.hpp"

namespace twill {
namespace {

bool isSeen(const Route& route, const Interest& interest) {
  return route.ours() || route.dst.length() == 0 ||
         std::any_of(interest.networks.begin(), interest.networks.end(),
                     [&](const Prefix& network) { return network.overlaps(route.dst); });
}

bool same(const KernelState& a, const KernelState& b) {
  return a.sysctls == b.sysctls && a.firewalls == b.firewalls && a.setElements == b.setElements &&
         a.links == b.links && a.addresses == b.addresses && a.neighbours == b.neighbours &&
         a.forwarding == b.forwarding && a.routes == b.routes && a.rules == b.rules;
}

}  // namespace

FakeKernel::FakeKernel() : notify_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Result<KernelState> FakeKernel::read(const Interest& interest) {
  ++reads_;
  quiet();
  if (failingReads_ > 0 && failingReads_-- > 0)
    return failErrno("the list changed while it was read", EAGAIN);
  return visible(interest);
}

KernelState FakeKernel::visible(const Interest& interest) const {
  KernelState out = all();
  std::erase_if(out.routes, [&](const auto& entry) { return !isSeen(entry.second, interest); });
  std::erase_if(out.sysctls, [&](const auto& entry) {
    return std::find(interest.sysctls.begin(), interest.sysctls.end(), entry.first) == interest.sysctls.end();
  });
  return out;
}

std::vector<Result<void>> FakeKernel::apply(std::span<const Operation> operations) {
  std::vector<Result<void>> results;
  for (const auto& operation : operations) {
    auto outcome = carryOut(operation);
    log_.push_back((outcome ? "" : "refused: ") + describe(operation));
    if (!outcome) outcome = Failure(std::move(outcome).error().in(describe(operation)));
    results.push_back(std::move(outcome));
  }
  notify();
  return results;
}

Result<void> FakeKernel::forgetUdp(const std::set<IpAddress>& addresses,
                                   const std::set<std::uint16_t>& ports) {
  for (const auto& address : addresses) {
    for (const auto port : ports) log_.push_back(fmt::format("forget udp {} {}", address.text(), port));
  }
  return {};
}

Result<void> FakeKernel::carryOut(const Operation& operation) {
  for (auto& refusal : refusals_) {
    if (refusal.left == 0 || !refusal.matches(operation)) continue;
    --refusal.left;
    return Failure(refusal.error);
  }
  return network_.perform(operation);
}

Result<std::map<std::string, std::uint64_t>> FakeKernel::counted(const std::string& table) {
  std::map<std::string, std::uint64_t> out;
  const auto found = all().firewalls.find(table);
  if (found == all().firewalls.end()) return out;
  for (const auto& name : found->second.counters) out[name] = 0;
  return out;
}

Result<void> FakeKernel::setFastPath(const std::optional<FastPath>& wanted) {
  if (wanted && fastPathRefusal_) return Failure(*fastPathRefusal_);
  fastPath_ = wanted;
  return {};
}

Result<void> FakeKernel::setIpip(const std::optional<IpipTunnel>& wanted) {
  if (wanted.has_value() != ipip_.has_value())
    log_.emplace_back(wanted ? "ipip by programs" : "no ipip by programs");
  ipip_ = wanted;
  return {};
}

Result<void> FakeKernel::hasDriver(LinkKind kind) {
  if (linkDrivers_.contains(kind)) return {};
  return fail(fmt::format("the kernel has no driver {}", kindWord(kind)), Error::Kind::missing);
}

std::optional<IpipNumbers> FakeKernel::ipipNumbers() const {
  return ipip_ ? std::optional(IpipNumbers{}) : std::nullopt;
}

Result<void> FakeKernel::setTunnelPorts(const std::vector<ContainerPort>& wanted) {
  tunnelPorts_ = wanted;
  return {};
}

std::optional<FastPathNumbers> FakeKernel::fastPathNumbers() const {
  return fastPath_ ? std::optional(FastPathNumbers{}) : std::nullopt;
}

Kernel::Drained FakeKernel::drain(KernelState& state, const Interest& interest) {
  const bool lost = lost_;
  const bool changed = changed_;
  quiet();
  if (lost) return Drained::lost;
  if (!changed) return Drained::nothing;
  auto now = visible(interest);
  if (same(now, state)) return Drained::nothing;
  state = std::move(now);
  return Drained::changed;
}

void FakeKernel::plugCard(const std::string& name, const std::vector<std::string>& addresses) {
  Link card;
  card.name = name;
  network_.plug(card);
  for (const auto& text : addresses) {
    const auto address = InterfaceAddress::parse(text);
    if (address)
      (void)network_.perform({Verb::add, Address{.link = name, .address = *address, .protocol = 0}});
  }
  notify();
}

Result<void> FakeKernel::byOthers(Verb verb, const Object& object) {
  notify();
  return network_.perform({verb, object});
}

Result<void> FakeKernel::changeLink(const std::string& name, const std::function<void(Link&)>& edit) {
  const auto found = all().links.find(name);
  if (found == all().links.end()) return failErrno("there is no interface " + name, ENODEV);
  Link link = found->second;
  edit(link);
  return byOthers(Verb::change, link);
}

void FakeKernel::refuse(std::function<bool(const Operation&)> matches, Error error, int times) {
  refusals_.push_back({std::move(matches), std::move(error), times});
}

void FakeKernel::loseNotifications() {
  lost_ = true;
  notify();
}

void FakeKernel::notify() {
  changed_ = true;
  ::eventfd_write(notify_.get(), 1);
}

void FakeKernel::quiet() {
  eventfd_t ignored = 0;
  ::eventfd_read(notify_.get(), &ignored);
  changed_ = lost_ = false;
}

}  // namespace twill
