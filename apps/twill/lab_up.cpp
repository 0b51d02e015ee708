// SPDX-License-Identifier: Apache-2.0
#include "lab_up.hpp"

#include <chrono>
#include <cstdlib>
#include <set>
#include <string>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "api/client.hpp"
#include "base/file.hpp"
#include "kernel/sysctl.hpp"
#include "lab/lab_files.hpp"
#include "lab/runtime.hpp"

namespace twill {
namespace {

using namespace std::chrono_literals;

void progress(const std::string& line) {
  fmt::print(stderr, "{}\n", line);
}

Result<void> awaitAgent(const lab::Lab& lab, const std::string& node,
                        std::chrono::steady_clock::time_point deadline) {
  const std::string socket = lab::socketFile(lab.directory(), node);
  for (;;) {
    auto reply = api::call(socket, {.target = "/readyz", .timeout = 2s});
    if (reply && reply->status == 200) return {};
    if (std::chrono::steady_clock::now() > deadline) {
      return fail(fmt::format("{} is not ready: {}\nlook at: twill lab logs --name {} {}", node,
                              reply ? reply->body : reply.error().text, lab.spec().name, node));
    }
    std::this_thread::sleep_for(10ms);
  }
}

/// Containers that the node's agent knows of. Their interfaces do not tell: one that was deleted a moment ago
/// may still be there.
Result<std::set<std::string>> attachedOn(const lab::Lab& lab, const std::string& node) {
  TWILL_TRY(const auto reply,
            api::call(lab::socketFile(lab.directory(), node), {.target = "/v1/attachments", .timeout = 2s}));
  const auto body = nlohmann::json::parse(reply.body, nullptr, false);
  const auto known = body.is_object() ? body.find("attachments") : body.end();
  if (reply.status != 200 || known == body.end() || !known->is_array()) {
    return fail(fmt::format("{} does not say which containers it has: {}", node, reply.body));
  }
  std::set<std::string> names;
  for (const auto& one : *known) names.insert(one.value("container", ""));
  return names;
}

Result<void> addContainers(const lab::Lab& lab) {
  int added = 0;
  const int total = lab.spec().nodes * lab.spec().containers;
  for (const auto& node : lab.topology().nodes) {
    TWILL_TRY(const auto attached, attachedOn(lab, node.name));
    for (int i = 0; i < lab.spec().containers; ++i) {
      const lab::PlaceName container{node.name, lab::containerName(i)};
      if (attached.contains(container.container) && lab.namespaceOf(container)) continue;
      TWILL_CHECK(lab::addContainer(lab, container));
      ++added;
    }
  }
  if (added > 0) progress(fmt::format("attached {} of {} containers with twill-cni", added, total));
  return {};
}

/// The kernel's neighbour tables have one limit for all namespaces together, which only the system's own
/// shows.
void warnOfNeighbours(const lab::Spec& spec) {
  auto limit = readSysctls({"net/ipv4/neigh/default/gc_thresh3"});
  if (limit.empty()) return;
  const int needed = lab::neighboursOf(spec);
  if (std::atoi(limit.begin()->second.value.c_str()) > needed) return;
  progress(fmt::format(
      "warning: this lab needs about {} neighbour entries, and this system keeps at most {}; so some "
      "packets will get no answer.\n  sysctl -w net.ipv4.neigh.default.gc_thresh3={} helps",
      needed, limit.begin()->second.value, 4 * needed));
}

/// Until the agent, and the datastore behind it, answer.
Result<void> tell(const lab::Lab& lab, const std::string& node, const api::Call& call) {
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  for (;;) {
    const auto reply = api::call(lab::socketFile(lab.directory(), node), call);
    if (reply && reply->status == 200) return {};
    const std::string said = reply ? reply->body : reply.error().text;
    if (std::chrono::steady_clock::now() > deadline || (reply && reply->status < 500))
      return fail(fmt::format("{} does not take {} {}: {}", node, call.method, call.target, said));
    std::this_thread::sleep_for(20ms);
  }
}

/// Nodes take their subnets one after the other, and each is up before it has heard of all.
Result<void> awaitLeases(const lab::Lab& lab) {
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  const auto& nodes = lab.topology().nodes;
  for (const auto& node : nodes) {
    for (;;) {
      const auto reply =
          api::call(lab::socketFile(lab.directory(), node.name), {.target = "/v1/leases", .timeout = 2s});
      const auto body = nlohmann::json::parse(reply ? reply->body : std::string(), nullptr, false);
      const auto leases = body.is_object() ? body.find("leases") : body.end();
      if (body.is_object() && leases != body.end() && leases->size() >= nodes.size()) break;
      if (std::chrono::steady_clock::now() > deadline)
        return fail(fmt::format("{} has not heard of all {} nodes; look at: twill lab logs --name {} {}",
                                node.name, nodes.size(), lab.spec().name, node.name));
      std::this_thread::sleep_for(10ms);
    }
  }
  return {};
}

/// Each node's subnet is reserved for it, so that node n has 172.16.<n-1>.0/24 whoever comes first; then the
/// network config, which all of them wait for. As with twill lease reserve and twill config set.
Result<void> writeMap(const lab::Lab& lab) {
  const auto& nodes = lab.topology().nodes;
  progress("writing the map into etcd");
  for (const auto& node : nodes) {
    Lease lease = node.lease;
    lease.backendType.clear();
    TWILL_CHECK(
        tell(lab, nodes.front().name, {.method = "POST", .target = "/v1/leases", .body = toJson(lease)}));
  }
  return tell(lab, nodes.front().name,
              {.method = "PUT", .target = "/v1/config", .body = lab::networkConfigOf(lab.spec())});
}

/// A lab that is up must be the one that was asked for.
Result<void> compare(const lab::Spec& wanted, const lab::Spec& there) {
  if (wanted == there) return {};
  auto options = [](const lab::Spec& spec) {
    const std::string text = lab::asOptions(spec);
    return text.empty() ? std::string("the defaults") : text;
  };
  return fail(
      fmt::format("lab {} is up with {}, and {} was asked for; take it down first: twill lab down --name {}",
                  there.name, options(there), options(wanted), there.name),
      Error::Kind::conflict);
}

}  // namespace

Result<void> awaitAgents(const lab::Lab& lab) {
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  for (const auto& node : lab.topology().nodes) TWILL_CHECK(awaitAgent(lab, node.name, deadline));
  return {};
}

Result<lab::Lab> bringUp(const lab::Spec& spec) {
  TWILL_CHECK(check(spec));
  warnOfNeighbours(spec);
  const bool running = lab::isRunning(spec.name);
  if (!running) {
    const std::string directory = lab::labDirectory(spec.name);
    TWILL_CHECK(makeDirectories(directory));
    TWILL_CHECK(lab::launch(spec, directory, lab::programDirectory(), progress));
  }
  TWILL_TRY(lab::Lab lab, lab::Lab::open(spec.name));
  TWILL_CHECK(compare(spec, lab.spec()));
  if (!running && lab.topology().etcd) TWILL_CHECK(writeMap(lab));
  TWILL_CHECK(awaitAgents(lab));
  TWILL_CHECK(addContainers(lab));
  TWILL_CHECK(awaitAgents(lab));
  if (!running && (spec.datastore == "gossip" || spec.datastore == "bgp")) TWILL_CHECK(awaitLeases(lab));
  return lab;
}

}  // namespace twill
