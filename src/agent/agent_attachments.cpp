// SPDX-License-Identifier: Apache-2.0
// The agent's part about containers: what they ask for while the loop of agent.cpp goes on.
#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "agent/agent.hpp"
#include "attach/desired.hpp"
#include "attach/fast_path.hpp"
#include "attach/firewall.hpp"
#include "attach/host_ports.hpp"
#include "attach/quarantine.hpp"
#include "attach/tunnel_ports.hpp"
#include "plan/network_names.hpp"

namespace twill {
namespace {

/// The kernel, or this build of it, has no such thing; rights and memory are another matter.
bool lacksSupport(const Error& error) {
  return error.code == EOPNOTSUPP || error.code == EAFNOSUPPORT || error.code == EPROTONOSUPPORT;
}

/// Who asked for a container's interface knows that one, and not the node's end of it, which the kernel room
/// names.
Error inTheirWords(Error error, const Operation& operation, const Attachment& attachment) {
  const auto* link = std::get_if<Link>(&operation.object);
  if (link == nullptr || link->name != attachment.hostIfname) return error;
  const std::string ours = describe(operation) + ": ";
  if (error.text.starts_with(ours)) error.text.erase(0, ours.size());
  return std::move(error).in(fmt::format("{} of container {}", attachment.ifname, attachment.containerId));
}

}  // namespace

Failure Agent::noLease(const Network& network) {
  const auto why = network.problem();
  return fail(fmt::format("this node has no lease yet{}: {}",
                          network.name().empty() ? "" : " in network " + network.name(),
                          why.empty() ? "waiting for the datastore" : why),
              Error::Kind::busy);
}

/// The network that a container is to be in, once the node has a lease there: the one that is named, else the
/// one whose subnet.env is, else the first.
Result<const Network*> Agent::homeOf(const AttachRequest& request) const {
  const Network* home = network(request.home);
  if (request.home.empty() && !request.subnetFile.empty()) {
    const auto found = std::find_if(networks_.begin(), networks_.end(), [&](const auto& one) {
      return one->options().subnetFile == request.subnetFile;
    });
    if (found != networks_.end()) home = found->get();
  }
  if (home == nullptr) {
    return fail(
        fmt::format("this node is in no network '{}'; name one of its networks under \"network\" in the "
                    "CNI config, or add it to twilld's --networks",
                    request.home),
        Error::Kind::invalid);
  }
  if (!home->decision().leased) return noLease(*home);
  return home;
}

/// Records that say nothing, and containers whose network the node has left.
std::vector<std::string> Agent::attachmentProblems() const {
  auto texts = attachments_.warnings();
  for (const auto& [key, holder] : quarantined_) {
    texts.push_back(
        fmt::format("{} has an address of {}'s subnet, which was this node's before: it is cut off; start "
                    "it again to give it a new one",
                    key, holder));
  }
  for (const auto& [key, attachment] : attachments_.all()) {
    if (!attachment.home.empty() ? network(attachment.home) != nullptr : networks_.front()->name().empty())
      continue;
    texts.push_back(fmt::format(
        "{} is in {}, in which this node is no more: it keeps its interface and reaches "
        "nobody beyond the node; start it again in one of the node's networks",
        key, attachment.home.empty() ? "the network without a name" : "network " + attachment.home));
  }
  return texts;
}

void Agent::findQuarantined() {
  quarantined_.clear();
  for (const auto& [key, attachment] : attachments_.all()) {
    const Network* home = network(attachment.home);
    if (gone_.contains(key) || home == nullptr || !home->cluster() || !home->decision().leased) continue;
    auto holder = holderOf(attachment, home->nodeNetwork(), home->cluster()->cluster.leases);
    if (!holder.empty()) quarantined_.emplace(key, std::move(holder));
  }
  problems_.set("attachments", attachmentProblems());
}

Result<Attachment> Agent::attach(const AttachRequest& request) {
  TWILL_TRY(const Network* home, homeOf(request));
  // A runtime that starts the same container again after a reboot may never have deleted it.
  if (gone_.contains(request.key())) {
    TWILL_CHECK(detach(request.key()));
  }
  lookAround();  // what is missing is judged by the kernel as it is now: the bridge may just have gone
  auto unknown = attachments_.unknown().find(request.key());
  if (unknown != attachments_.unknown().end() && !actual_.links.contains(unknown->second.hostIfname)) {
    TWILL_CHECK(detach(request.key()));
  }
  const NodeNetwork node = home->nodeNetwork();
  const bool first = !isUsed(request.mode, node.bridge);
  const Attachment* waiting = attachments_.find(request.key());
  const KernelState before =
      waiting == nullptr ? KernelState() : partOf(*waiting, isUsed(AttachMode::bridge, waiting->bridge));
  TWILL_TRY(Attachment attachment, attachments_.prepare(request, node));
  subtract(wanted_, before);
  KernelState part = partOf(attachment, isUsed(AttachMode::bridge, attachment.bridge));
  if (first) merge(part, proxiesFor(attachment.mode, attachment.bridge));
  merge(part, desiredGateways(attachment));
  merge(part, desiredShared(attachment.mode, node));
  Difference missing = additions(part, actual_);
  completeTables(missing.operations);
  auto undo = [&](Error error) -> Result<Attachment> {
    if (auto undone = detach(attachment.key()); !undone) spdlog::warn("undo: {}", undone.error().text);
    return Failure(std::move(error));
  };
  if (!missing.obstacles.empty())
    return undo({.text = missing.obstacles.front().text, .kind = Error::Kind::exists});
  auto results = carryOut(missing.operations, Cause::attachment);
  lookAtSettings(part);
  lookAround();
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Operation& operation = missing.operations[i];
    if (results[i] || (guardless_ && isGuard(operation.object))) continue;
    return undo(inTheirWords(std::move(results[i]).error(), operation, attachment));
  }
  if (guardless_) withoutGuard(part);
  merge(wanted_, part);
  forgetFlows(attachment);
  return attachment;
}

/// A client that has gone on sending to a host port while nobody had it would not reach the container until
/// it pauses for half a minute (nf_conntrack_udp_timeout).
void Agent::forgetFlows(const Attachment& attachment) {
  const auto ports = udpPortsOf(attachment);
  if (ports.empty()) return;
  std::set<IpAddress> addresses;
  for (const auto& [key, address] : actual_.addresses) addresses.insert(address.address.address);
  if (auto forgotten = kernel_.forgetUdp(addresses, ports); !forgotten) {
    spdlog::warn("flows to the host ports of {} stay where they went before: {}", attachment.key(),
                 forgotten.error().text);
  }
}

/// What is needed for one attachment; `besideBridge`: the node has bridged containers, too. A table in it is
/// but a piece of the table.
KernelState Agent::partOf(const Attachment& attachment, bool besideBridge) const {
  const bool cutOff = quarantined_.contains(attachment.key());
  KernelState part = cutOff ? desiredQuarantine(attachment) : desiredAttachment(attachment);
  if (besideBridge && !cutOff) merge(part, desiredProxies(attachment));
  if (guardless_) withoutGuard(part);
  return part;
}

/// What the first container of this mode brings for those of the other one.
KernelState Agent::proxiesFor(AttachMode mode, const std::string& bridge) const {
  KernelState out;
  if (mode != AttachMode::bridge) return out;
  for (const auto& [key, attachment] : attachments_.all()) {
    if (!gone_.contains(key) && !quarantined_.contains(key) && attachment.bridge == bridge)
      merge(out, desiredProxies(attachment));
  }
  return out;
}

/// The first container brings chains and sets into tables that may hold others.
void Agent::completeTables(std::vector<Operation>& operations) const {
  for (Operation& operation : operations) {
    auto* piece = std::get_if<Firewall>(&operation.object);
    const auto known = piece == nullptr ? wanted_.firewalls.end() : wanted_.firewalls.find(piece->table);
    if (known == wanted_.firewalls.end()) continue;
    Firewall whole = known->second;
    merge(whole, *piece);
    *piece = std::move(whole);
  }
}

/// From now on these settings are part of the picture.
void Agent::lookAtSettings(const KernelState& part) {
  auto& known = interest_.sysctls;
  for (const auto& [path, sysctl] : part.sysctls) {
    if (std::find(known.begin(), known.end(), path) == known.end()) known.push_back(path);
  }
}

/// True when the kernel turns out not to be able to have the spoof guard: containers come first, and it is
/// said. Whatever else fails has its own word.
bool Agent::noteGuard(std::span<const Operation> operations, std::span<const Result<void>> results) {
  if (guardless_) return false;
  for (std::size_t i = 0; i < operations.size(); ++i) {
    if (results[i] || !isGuard(operations[i].object) || !lacksSupport(results[i].error())) continue;
    guardless_ = true;
    problems_.set("guard",
                  {fmt::format("containers can send from addresses that are not theirs, because this "
                               "kernel lacks what the spoof guard needs: {}",
                               results[i].error().text)});
    return true;
  }
  return false;
}

Result<void> Agent::detach(const std::string& key) {
  const Attachment* attachment = attachments_.find(key);
  auto unknown = attachments_.unknown().find(key);
  KernelState part;
  KernelState gateways;
  AttachMode mode = AttachMode::bridge;
  NodeNetwork node;
  if (attachment != nullptr) {
    part = partOf(*attachment, isUsed(AttachMode::bridge, attachment->bridge));
    gateways = desiredGateways(*attachment);
    mode = attachment->mode;
    node = networkOf(*attachment);
  } else if (unknown != attachments_.unknown().end()) {
    part.put(Link{.name = unknown->second.hostIfname, .kind = LinkKind::veth, .owner = key});
    const Place place = placeOf(unknown->second.hostIfname, actual_).value_or(Place());
    mode = place.mode;
    node = networkAt(place.bridge);
  } else {
    return {};
  }
  TWILL_CHECK(attachments_.remove(key));
  problems_.set("attachments", attachmentProblems());
  gone_.erase(key);
  quarantined_.erase(key);
  // Another may have the host port of one whose container is gone.
  std::erase_if(part.setElements, [&](const auto& entry) {
    const auto held = wanted_.setElements.find(entry.first);
    return held != wanted_.setElements.end() && held->second.owner != key;
  });
  // The bridge goes with its last container, and a gateway with the last of its network.
  if (isUsed(mode, node.bridge)) {
    subtract(gateways, desiredShared(mode, node));
  } else {
    merge(part, desiredShared(mode, node));
    merge(part, proxiesFor(mode, node.bridge));
  }
  for (auto other = attachments_.all().begin();
       !gateways.addresses.empty() && other != attachments_.all().end(); ++other) {
    subtract(gateways, desiredGateways(other->second));
  }
  merge(part, gateways);
  subtract(wanted_, part);
  auto gone = removals(part, actual_).operations;
  auto results = carryOut(gone, Cause::attachment);
  lookAround();
  if (attachments_.all().empty()) {  // the tables' shapes for containers go with the last one
    for (const auto& network : networks_) network->decideAgain();
    wake(Cause::attachment);
  }
  for (auto& result : results) {
    if (!result) wake(Cause::retry);  // no longer wanted, so the loop removes it; the address is free already
  }
  return {};
}

KernelState Agent::attachmentState() const {
  struct Home {
    NodeNetwork node;
    bool known;  ///< else it is not known what its bridge is to be like
    bool hasBridge;
  };
  std::map<std::string, Home> homes;  // by bridge
  const auto homeOf = [&](const Attachment& one) -> const Home& {
    auto found = homes.find(one.bridge);
    if (found == homes.end())
      found = homes
                  .emplace(one.bridge,
                           Home{networkOf(one), isKnown(one.bridge), isUsed(AttachMode::bridge, one.bridge)})
                  .first;
    return found->second;
  };
  KernelState state;
  for (const auto& [key, attachment] : attachments_.all()) {
    const Home& home = homeOf(attachment);
    if (home.known) merge(state, desiredShared(attachment.mode, home.node));
    if (!quarantined_.contains(key)) merge(state, desiredGateways(attachment));
    if (!gone_.contains(key)) merge(state, partOf(attachment, home.hasBridge));
  }
  for (const auto& [key, record] : attachments_.unknown()) {
    if (auto place = placeOf(record.hostIfname, actual_); place && isKnown(place->bridge))
      merge(state, desiredShared(place->mode, networkAt(place->bridge)));
    keepGuard(record.hostIfname, actual_, state);
  }
  return state;
}

std::vector<const Attachment*> Agent::presentAttachments() const {
  std::vector<const Attachment*> present;
  for (const auto& [key, attachment] : attachments_.all()) {
    if (!gone_.contains(key)) present.push_back(&attachment);
  }
  return present;
}

FastPath Agent::wantedFastPath() const {
  return fastPathOf(presentAttachments(), wanted_, actual_, networks_.front()->underlay()->underlay.link);
}

/// Of tunnels whose packets programs take out. Where udp's engine is chosen by what the kernel takes, that it
/// takes none is no problem: twill-tunnel says so in its own words.
void Agent::followTunnelPorts() {
  std::set<std::string> tunnels;
  bool asked = false;
  for (const auto& network : networks_) {
    const auto& tunnel = network->decision().desired.tunnel;
    const auto& ipip = network->decision().desired.ipip;
    if (ipip) tunnels.insert(ipip->device);
    if (tunnel && tunnel->engine != "user") tunnels.insert(tunnel->device);
    asked = asked || ipip || (tunnel && tunnel->engine == "kernel");
  }
  const auto done = kernel_.setTunnelPorts(tunnelPortsOf(tunnels, presentAttachments(), actual_));
  problems_.set("tunnel ports", done || !asked
                                    ? std::vector<std::string>{}
                                    : std::vector{done.error().text + "; bulk to containers is slow"});
}

/// Without it packets take the ordinary way, so that a failure is said and nothing more.
void Agent::followFastPath() {
  const bool on = options_.fastPath && networks_.front()->underlay();
  const auto done = kernel_.setFastPath(on ? std::optional(wantedFastPath()) : std::nullopt);
  problems_.set("fast path", done ? std::vector<std::string>{}
                                  : std::vector{done.error().text + "; packets go by bridge and routing"});
}

std::optional<Agent::FastPathView> Agent::fastPath() const {
  const auto numbers = kernel_.fastPathNumbers();
  if (!numbers || !networks_.front()->underlay()) return std::nullopt;
  return FastPathView{wantedFastPath(), *numbers};
}

/// True when a container needs what those of its mode share: in routed mode all of the node's, else those at
/// this bridge.
bool Agent::isUsed(AttachMode mode, const std::string& bridge) const {
  const auto& known = attachments_.all();
  const auto& unknown = attachments_.unknown();
  const auto shares = [&](AttachMode other, const std::string& at) {
    return other == mode && (mode == AttachMode::routed || at == bridge);
  };
  return std::any_of(known.begin(), known.end(),
                     [&](const auto& entry) { return shares(entry.second.mode, entry.second.bridge); }) ||
         std::any_of(unknown.begin(), unknown.end(), [&](const auto& entry) {
           const auto place = placeOf(entry.second.hostIfname, actual_);
           return place && shares(place->mode, place->bridge);
         });
}

/// A container without a namespace is no reason to be unready, or to try for ever. One that is found so at
/// the start went with a reboot, after which its runtime may never mention it again; later its DEL is on the
/// way, and until then nobody else shall have its address.
void Agent::letGo(std::span<const Operation> operations, std::span<const Result<void>> results, Cause cause) {
  const auto before = gone_.size();
  for (std::size_t i = 0; i < operations.size(); ++i) {
    if (results[i] || results[i].error().code != ESTALE) continue;
    const Attachment* attachment = attachments_.find(operations[i].owner());
    if (attachment == nullptr) continue;
    const std::string key = attachment->key();
    if (cause == Cause::start) {
      spdlog::info("container {} is gone: {}; its address is free", key, results[i].error().text);
      if (auto freed = detach(key); !freed) spdlog::warn("{}", freed.error().text);
      continue;
    }
    if (!gone_.insert(key).second) continue;
    spdlog::info("container {} is gone: {}; its address stays taken until its runtime deletes it",
                 attachment->key(), results[i].error().text);
    attachments_.releasePorts(attachment->key());
    subtract(wanted_, partOf(*attachment, isUsed(AttachMode::bridge, attachment->bridge)));
  }
  // Another may have what went with it: a host port.
  if (gone_.size() > before) merge(wanted_, attachmentState());
}

/// What is left of the network when the node is in it no more: the bridge.
NodeNetwork Agent::networkOf(const Attachment& attachment) const {
  for (const auto& network : networks_) {
    if (network->name() == attachment.home) return network->nodeNetwork();
  }
  return {
      .node = options_.node, .network = attachment.home, .bridge = attachment.bridge, .mtu = attachment.mtu};
}

/// `bridge` is empty for what all networks share.
NodeNetwork Agent::networkAt(const std::string& bridge) const {
  for (const auto& network : networks_) {
    if (bridge.empty() || bridgeOf(network->name()) == bridge) return network->nodeNetwork();
  }
  return {.node = options_.node, .bridge = bridge};
}

/// Whether that bridge's network has been decided on, or is none of this node's any more.
bool Agent::isKnown(const std::string& bridge) const {
  return std::none_of(networks_.begin(), networks_.end(), [&](const auto& network) {
    return bridgeOf(network->name()) == bridge && network->inForce() == nullptr;
  });
}

}  // namespace twill
