// SPDX-License-Identifier: Apache-2.0
#include "agent/views.hpp"

#include <algorithm>
#include <chrono>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "agent/agent.hpp"
#include "agent/bgp_calls.hpp"
#include "agent/cloud_view.hpp"
#include "agent/peer_views.hpp"

namespace twill {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
Json textOrNull(const std::optional<T>& value) {
  return value ? Json(value->text()) : Json(nullptr);
}

/// Names come from files that people wrote; a broken byte must not stop the answer.
std::string dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string timeText(std::chrono::system_clock::time_point time) {
  auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(static_cast<std::time_t>(millis / 1000)),
                     millis % 1000);
}

Json leaseJson(const Lease& lease) {
  return {{"node", lease.node},
          {"subnet", textOrNull(lease.subnet)},
          {"subnet6", textOrNull(lease.subnet6)},
          {"public_ip", textOrNull(lease.publicIp)},
          {"public_ip6", textOrNull(lease.publicIp6)},
          {"backend_type", lease.backendType}};
}

Json underlayJson(const UnderlayChoice& choice) {
  return {{"interface", choice.underlay.link},
          {"address", textOrNull(choice.underlay.v4)},
          {"address6", textOrNull(choice.underlay.v6)},
          {"public_ip", textOrNull(choice.publicIp)},
          {"public_ip6", textOrNull(choice.publicIp6)},
          {"mtu", choice.underlay.mtu},
          {"reason", choice.reason}};
}

Json entryJson(const Journal::Entry& entry) {
  const char* verb = entry.operation.verb == Verb::add      ? "add"
                     : entry.operation.verb == Verb::change ? "change"
                                                            : "remove";
  return {{"number", entry.number},
          {"time", timeText(entry.time)},
          {"cause", textOf(entry.cause)},
          {"verb", verb},
          {"object", describe(entry.operation.object)},
          {"command", ipCommand(entry.operation)},
          {"owner", entry.operation.owner()},
          {"result", entry.error.empty() ? "done" : entry.error}};
}

Json driftJson(const Journal& journal) {
  Json drift = {{"repairs", journal.repairs()}, {"last", nullptr}};
  for (auto entry = journal.entries().rbegin(); entry != journal.entries().rend(); ++entry) {
    if (entry->cause != Cause::drift || !entry->error.empty()) continue;
    drift["last"] = entryJson(*entry);
    break;
  }
  return drift;
}

Json waitingJson(const Reconciler& reconciler) {
  Json waiting = Json::array();
  auto now = std::chrono::steady_clock::now();
  for (const auto& [owner, failure] : reconciler.failures()) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(failure.retryAt - now).count();
    waiting.push_back({{"owner", owner},
                       {"operation", failure.operation},
                       {"error", failure.error},
                       {"attempts", failure.attempts},
                       {"retry_in_ms", std::max<std::int64_t>(left, 0)}});
  }
  return waiting;
}

Json obstaclesJson(const std::vector<Obstacle>& obstacles) {
  Json list = Json::array();
  for (const Obstacle& obstacle : obstacles)
    list.push_back({{"owner", obstacle.owner}, {"text", obstacle.text}});
  return list;
}

/// What the process says that carries a network's tunnel; null without one.
Json processJson(const std::optional<Agent::TunnelNumbers>& numbers, const std::string& network) {
  if (!numbers) return nullptr;
  const auto found = numbers->processes.find(network);
  return found == numbers->processes.end() ? Json(nullptr) : Json::parse(found->second);
}

/// Null without tunnels.
Json tunnelJson(const Agent& agent, const std::optional<Agent::TunnelNumbers>& numbers) {
  if (!numbers) return nullptr;
  Json tunnel{{"strangers_dropped", numbers->strangers}};
  const Json process = processJson(numbers, agent.networks().front()->name());
  if (!process.is_null()) tunnel["process"] = process;
  return tunnel;
}

Json roadJson(const FastPathNumbers::Road& road) {
  return {{"packets", road.packets}, {"bytes", road.bytes}};
}

/// Null while it is off.
Json fastPathJson(const Agent& agent) {
  const auto path = agent.fastPath();
  if (!path) return nullptr;
  return {{"containers", path->now.containers.size()},
          {"peers", path->now.peers.size()},
          {"local", roadJson(path->numbers.local)},
          {"out", roadJson(path->numbers.out)},
          {"in", roadJson(path->numbers.in)}};
}

/// Null without ipip. What the programs have counted is theirs: a driver's devices count by themselves.
Json ipipJson(const Agent& agent, const std::optional<Agent::TunnelNumbers>& numbers) {
  Json out;
  for (const auto& network : agent.networks()) {
    const auto& engine = network->decision().desired.ipipEngine;
    if (!engine || !out.is_null()) continue;
    out = {{"engine", engine->name()}, {"engine_wanted", engine->wanted}, {"engine_reason", engine->reason}};
    out["path_mtu"] = Json::object();
    for (const auto& [node, mtu] : network->decision().self.pathMtus) out["path_mtu"][node.text()] = mtu;
  }
  if (!numbers || !numbers->ipip || out.is_null()) return out;
  const IpipNumbers& ipip = *numbers->ipip;
  out["sent"] = {{"packets", ipip.sentPackets}, {"bytes", ipip.sentBytes}};
  out["received"] = {{"packets", ipip.receivedPackets}, {"bytes", ipip.receivedBytes}};
  out["strangers_dropped"] = ipip.strangers;
  return out;
}

/// Null without a VXLAN device.
Json vxlanJson(const Agent& agent) {
  const auto& links = agent.wanted().links;
  if (std::none_of(links.begin(), links.end(),
                   [](const auto& link) { return link.second.vxlan.has_value(); }))
    return nullptr;
  const ChecksumOffload& offload = agent.networks().front()->decision().self.checksumOffload;
  return {{"checksum_offload", offload.on}, {"checksum_offload_reason", offload.reason}};
}

/// What is one network's.
void addNetwork(const Network& network, Json& out) {
  out["backend"] = nullptr;
  out["network"] = nullptr;
  out["network6"] = nullptr;
  out["lease"] = network.decision().leased ? leaseJson(network.decision().self.lease) : Json(nullptr);
  out["underlay"] = network.underlay() ? underlayJson(*network.underlay()) : Json(nullptr);
  out["mtu"] = network.decision().mtu;
  out["cloud"] = cloudView(network.cloud().status());
  out["leases"] = Json::array();
  if (!network.cluster()) return;
  // Before the first decision what the datastore says.
  const NetworkConfig& config = network.inForce() != nullptr ? *network.inForce() : *network.latest();
  out["backend"] = config.backend.type;
  if (config.v4) out["network"] = config.v4->network.text();
  if (config.v6) out["network6"] = config.v6->network.text();
  for (const Lease& lease : network.cluster()->cluster.leases) out["leases"].push_back(leaseJson(lease));
}

}  // namespace

/// What is a network's stands at the top as well, for the first of them.
std::string statusJson(const Agent& agent, const MapViews& map) {
  Json status = {
      {"node", agent.options().node}, {"ready", agent.ready()}, {"datastore", agent.options().datastore}};
  const auto tunnel = agent.tunnelNumbers();
  addNetwork(*agent.networks().front(), status);
  status["ip_masq"] = agent.options().ipMasq;
  status["networks"] = Json::array();
  for (const auto& network : agent.networks()) {
    if (network->name().empty()) continue;
    Json& one = status["networks"].emplace_back(Json{{"name", network->name()}});
    addNetwork(*network, one);
    one["tunnel_process"] = processJson(tunnel, network->name());
  }
  status["attachments"] = agent.attachments().all().size();
  status["tunnel"] = tunnelJson(agent, tunnel);
  status["ipip"] = ipipJson(agent, tunnel);
  status["fast_path"] = fastPathJson(agent);
  status["vxlan"] = vxlanJson(agent);
  status["gossip"] = map.peers != nullptr ? membersView(map.peers->nodes()) : Json(nullptr);
  status["bgp"] = map.bgp != nullptr ? bgpSummary(map.bgp->status()) : Json(nullptr);
  status["problems"] = agent.problemsWith(tunnel);
  status["drift"] = driftJson(agent.journal());
  status["operations"] = {{"total", agent.journal().total()},
                          {"failed", agent.journal().failed()},
                          {"waiting", waitingJson(agent.reconciler())}};
  return dump(status);
}

std::string diffJson(const Agent& agent) {
  Difference difference = agent.difference();
  Json operations = Json::array();
  for (const Operation& operation : difference.operations) {
    operations.push_back({{"operation", describe(operation)},
                          {"command", ipCommand(operation)},
                          {"owner", operation.owner()}});
  }
  const bool known = std::any_of(agent.networks().begin(), agent.networks().end(),
                                 [](const auto& network) { return network->cluster().has_value(); });
  const KernelState& wanted = agent.wanted();
  Json counts = {{"links", wanted.links.size()},         {"addresses", wanted.addresses.size()},
                 {"routes", wanted.routes.size()},       {"neighbours", wanted.neighbours.size()},
                 {"rules", wanted.rules.size()},         {"forwarding", wanted.forwarding.size()},
                 {"sysctls", wanted.sysctls.size()},     {"firewall", !wanted.firewalls.empty()},
                 {"elements", wanted.setElements.size()}};
  return dump({{"known", known},
               {"wanted", counts},
               {"operations", operations},
               {"obstacles", obstaclesJson(difference.obstacles)},
               {"notices", obstaclesJson(difference.notices)}});
}

std::string operationsJson(const Agent& agent) {
  Json operations = Json::array();
  for (const Journal::Entry& entry : agent.journal().entries()) operations.push_back(entryJson(entry));
  return dump({{"total", agent.journal().total()}, {"operations", operations}});
}

namespace {

Json portsJson(const Attachment& attachment) {
  Json ports = Json::array();
  for (const PortMapping& port : attachment.ports) {
    ports.push_back({{"protocol", textOf(port.protocol)},
                     {"host_ip", port.hostIp ? Json(port.hostIp->text()) : Json(nullptr)},
                     {"host_port", port.hostPort},
                     {"container_port", port.containerPort}});
  }
  return ports;
}

/// Null: no limit.
Json rateJson(const std::optional<Rate>& rate) {
  if (!rate) return nullptr;
  return {{"bits_per_second", rate->bitsPerSecond}, {"burst_bits", rate->burstBits}};
}

}  // namespace

std::string attachmentsJson(const Agent& agent) {
  Json attachments = Json::array();
  for (const auto& [key, attachment] : agent.attachments().all()) {
    Json addresses = Json::array();
    for (const auto& address : attachment.addresses) addresses.push_back(address.text());
    attachments.push_back({{"network", attachment.network},
                           {"twill_network", attachment.home},
                           {"container", attachment.containerId},
                           {"ifname", attachment.ifname},
                           {"netns", attachment.netns},
                           {"mode", attachment.mode == AttachMode::routed ? "routed" : "bridge"},
                           {"host_ifname", attachment.hostIfname},
                           {"mac", attachment.mac.text()},
                           {"mtu", attachment.mtu},
                           {"addresses", addresses},
                           {"ports", portsJson(attachment)},
                           {"ingress", rateJson(attachment.ingress)},
                           {"egress", rateJson(attachment.egress)},
                           {"spoof_guard", attachment.spoofGuard}});
  }
  return dump({{"attachments", attachments}});
}

}  // namespace twill
