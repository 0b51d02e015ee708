// SPDX-License-Identifier: Apache-2.0
// Commands that ask this node's agent: status, diff, operations, attachments.
#include <functional>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "agent_call.hpp"
#include "command.hpp"
#include "commands.hpp"
#include "terminal.hpp"

namespace twill {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kLeasesShown = 20;

void printLeases(const Json& network, const Json& node) {
  const Json& leases = network["leases"];
  fmt::print("\n{}\n",
             paint(Tone::bold, fmt::format("{:<20} {:<20} {}", "NODE", "SUBNET", "PUBLIC ADDRESS")));
  for (std::size_t i = 0; i < leases.size() && i < kLeasesShown; ++i) {
    bool own = leases[i]["node"] == node;
    fmt::print("{:<20} {:<20} {}{}\n", text(leases[i], "node"), both(leases[i], "subnet", "subnet6"),
               both(leases[i], "public_ip", "public_ip6"), own ? "  (this node)" : "");
  }
  if (leases.size() > kLeasesShown)
    fmt::print("... and {} more; --json shows all\n", leases.size() - kLeasesShown);
}

void printProcess(const Json& process) {
  fmt::print("tunnel      twill-tunnel is process {}, engine {} ({})\n", text(process, "pid"),
             text(process, "engine"), text(process, "engine_reason"));
}

void printCloud(const Json& cloud) {
  const Json& self = cloud["self"];
  if (self.is_null()) {
    fmt::print("cloud       {}\n", paint(Tone::bad, "this node is not known to it yet"));
    return;
  }
  std::string tables;
  for (const Json& table : self["tables"]) tables += (tables.empty() ? "" : ", ") + table.get<std::string>();
  const bool there = cloud["in_place"];
  fmt::print("cloud       {} in {}: {}, {} routes of the cluster there; checked {}\n", text(self, "target"),
             tables, there ? "in place" : paint(Tone::bad, "not in place"), text(cloud, "routes"),
             cloud["checked_at"].is_null() ? "never" : text(cloud, "checked_at"));
}

/// One network's part; `name` is empty where the node is in one alone.
void printNetwork(const Json& network, const std::string& name, const std::string& more) {
  fmt::print("network     {}{}  backend {}{}\n", name.empty() ? "" : name + "  ",
             both(network, "network", "network6"), text(network, "backend"), more);
  if (!network["lease"].is_null()) {
    fmt::print("lease       {}  containers' MTU {}\n", both(network["lease"], "subnet", "subnet6"),
               text(network, "mtu"));
  }
  if (const Json& underlay = network["underlay"]; !underlay.is_null()) {
    fmt::print("underlay    {} {}  MTU {}, chosen by {}\n", text(underlay, "interface"),
               both(underlay, "address", "address6"), text(underlay, "mtu"), text(underlay, "reason"));
  }
  const Json process = network.value("tunnel_process", Json());
  if (!process.is_null()) printProcess(process);
  if (const Json cloud = network.value("cloud", Json()); !cloud.is_null()) printCloud(cloud);
}

void printMembers(const Json& gossip) {
  const Json& members = gossip["members"];
  std::string others;
  for (const char* state : {"suspect", "leaving", "failed"}) {
    if (members.value(state, 0) > 0) others += fmt::format(", {} {}", text(members, state), state);
  }
  fmt::print("gossip      {} nodes alive{}\n", text(members, "alive"),
             others.empty() ? others : paint(Tone::bad, others));
  for (const Json& node : gossip["no_direct_way"]) {
    fmt::print(
        "notice      {} is reached by way of other nodes only: let UDP and TCP pass between here and {}\n",
        text(node, "node"), text(node, "endpoint"));
  }
  for (const Json& node : gossip["others_without_direct_way"]) {
    for (const Json& to : node["to"]) {
      fmt::print("notice      {} says that it reaches {} by way of other nodes only\n", text(node, "node"),
                 to.get<std::string>());
    }
  }
}

int printStatus(const Json& status) {
  bool ready = status["ready"];
  const Json networks = status.value("networks", Json::array());
  fmt::print("node        {}  {}\n", text(status, "node"),
             ready ? paint(Tone::good, "ready") : paint(Tone::bad, "not ready"));
  const auto more =
      fmt::format(", datastore {}{}", text(status, "datastore"), status["ip_masq"] ? ", masquerading" : "");
  if (networks.empty()) printNetwork(status, "", more);
  for (const Json& network : networks) printNetwork(network, text(network, "name"), more);
  if (const Json tunnel = status.value("tunnel", Json()); !tunnel.is_null()) {
    const Json process = tunnel.value("process", Json());
    if (networks.empty() && !process.is_null()) printProcess(process);
    fmt::print("strangers   {} packets dropped at the tunnel's port\n", text(tunnel, "strangers_dropped"));
  }
  if (const Json ipip = status.value("ipip", Json()); !ipip.is_null()) {
    fmt::print("ipip        engine {} ({})\n", text(ipip, "engine"), text(ipip, "engine_reason"));
    for (const auto& [node, mtu] : ipip.value("path_mtu", Json::object()).items())
      fmt::print("            a router takes {} bytes on the way to {}\n", mtu.dump(), node);
    if (ipip.contains("sent"))
      fmt::print("            {} packets sent to other segments, {} received\n",
                 text(ipip["sent"], "packets"), text(ipip["received"], "packets"));
  }
  if (const Json path = status.value("fast_path", Json()); !path.is_null()) {
    fmt::print("fast path   {} containers, {} peers; packets: {} on the node, {} to peers, {} from peers\n",
               text(path, "containers"), text(path, "peers"), text(path["local"], "packets"),
               text(path["out"], "packets"), text(path["in"], "packets"));
  }
  if (const Json vxlan = status.value("vxlan", Json()); !vxlan.is_null() && !vxlan["checksum_offload"]) {
    fmt::print("vxlan       checksum offload is off: {}\n", text(vxlan, "checksum_offload_reason"));
  }
  if (const Json gossip = status.value("gossip", Json()); !gossip.is_null()) printMembers(gossip);
  if (const Json bgp = status.value("bgp", Json()); !bgp.is_null()) {
    fmt::print("bgp         {} of {} sessions established, {} subnets learned\n", text(bgp, "established"),
               text(bgp, "sessions"), text(bgp, "learned"));
  }
  fmt::print("containers  {}\n", text(status, "attachments"));
  fmt::print("drift       {} repaired", text(status["drift"], "repairs"));
  if (const Json& last = status["drift"]["last"]; !last.is_null()) {
    fmt::print("; last {}: {} {}", text(last, "time"), text(last, "verb"), text(last, "object"));
  }
  fmt::print("\noperations  {} done, {} failed\n", text(status["operations"], "total"),
             text(status["operations"], "failed"));
  for (const Json& problem : status["problems"]) {
    fmt::print("{}  {}\n", paint(Tone::bad, "problem   "), problem.get<std::string>());
  }
  if (networks.empty()) printLeases(status, status["node"]);
  for (const Json& network : networks) printLeases(network, status["node"]);
  return ready ? 0 : 1;
}

int printDiff(const Json& difference) {
  if (!difference["known"].get<bool>()) {
    fmt::print("the agent has no picture of the cluster yet, so nothing is wanted; see twill status\n");
    return 1;
  }
  for (const Json& operation : difference["operations"]) fmt::print("{}\n", text(operation, "command"));
  for (const Json& obstacle : difference["obstacles"]) {
    fmt::print("{} {}\n", paint(Tone::bad, "in the way:"), text(obstacle, "text"));
  }
  for (const Json& notice : difference["notices"]) fmt::print("note: {}\n", text(notice, "text"));
  if (!difference["operations"].empty() || !difference["obstacles"].empty()) return 1;
  const Json& wanted = difference["wanted"];
  fmt::print("no difference: {} links, {} addresses, {} routes, {} neighbours, {} settings are as wanted\n",
             text(wanted, "links"), text(wanted, "addresses"), text(wanted, "routes"),
             text(wanted, "neighbours"), text(wanted, "sysctls"));
  return 0;
}

int printOperations(const Json& journal) {
  for (const Json& entry : journal["operations"]) {
    bool done = entry["result"] == "done";
    fmt::print("{} {:<10} {}{}\n", text(entry, "time"), text(entry, "cause"), text(entry, "command"),
               done ? "" : paint(Tone::bad, "  # " + text(entry, "result")));
  }
  return 0;
}

/// "10.0.0.10:8080>80/tcp"; an agent of before had no ports.
std::string portsText(const Json& attachment) {
  std::string out;
  for (const Json& port : attachment.value("ports", Json::array())) {
    auto at = port["host_ip"].is_null() ? std::string() : text(port, "host_ip");
    if (at.find(':') != std::string::npos) at = fmt::format("[{}]", at);
    out += fmt::format("{}{}{}>{}/{} ", at, at.empty() ? "" : ":", text(port, "host_port"),
                       text(port, "container_port"), text(port, "protocol"));
  }
  return out;
}

int printAttachments(const Json& answer) {
  fmt::print("{}\n", paint(Tone::bold, fmt::format("{:<24} {:<16} {:<10} {:<8} {}", "CONTAINER", "NETWORK",
                                                   "IFNAME", "MODE", "ADDRESSES AND HOST PORTS")));
  for (const Json& attachment : answer["attachments"]) {
    std::string addresses;
    std::string network = text(attachment, "network");
    if (const auto home = attachment.value("twill_network", ""); !home.empty()) network += " in " + home;
    for (const Json& address : attachment["addresses"]) addresses += address.get<std::string>() + " ";
    fmt::print("{:<24.24} {:<16} {:<10} {:<8} {}{}\n", text(attachment, "container"), network,
               text(attachment, "ifname"), text(attachment, "mode"), addresses, portsText(attachment));
  }
  return 0;
}

int ask(const Asking& asking, const std::string& target, const std::function<int(const Json&)>& print) {
  const auto reply = callAgent(asking, {.target = target});
  if (!reply) return report(reply.error());
  const Json body = Json::parse(*reply, nullptr, false);
  if (body.is_discarded()) return report({.text = "the agent's answer is no JSON: " + *reply});
  if (!asking.json) return print(body);
  fmt::print("{}", *reply);
  return 0;
}

void add(CLI::App& app, const std::string& name, const std::string& help, const std::string& target,
         int (*print)(const Json&)) {
  auto asking = std::make_shared<Asking>();
  CLI::App* command = app.add_subcommand(name, help);
  addAsking(*command, *asking, true);
  command->callback([asking, target, print] { throw CLI::RuntimeError(ask(*asking, target, print)); });
}

}  // namespace

void addNodeCommands(CLI::App& app) {
  add(app, "status", "what this node is, its peers, drift and problems; exit status 1 when it is not ready",
      "/v1/status", printStatus);
  add(app, "diff", "commands that would make the kernel what it should be; exit status 1 when there are any",
      "/v1/diff", printDiff);
  add(app, "operations", "what the agent did in the kernel, oldest first", "/v1/operations", printOperations);
  add(app, "attachments", "the container interfaces of this node", "/v1/attachments", printAttachments);
}

}  // namespace twill
