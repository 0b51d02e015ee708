// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "agent/agent.hpp"
#include "agent/views.hpp"
#include "datastore/bgp_view.hpp"
#include "datastore/peers.hpp"

namespace twill {
namespace {

void gauge(prometheus::Registry& registry, const char* name, const char* help, double value) {
  prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({}).Set(value);
}

/// With the label network where networks have names.
template <class ValueOf>
void gaugePerNetwork(prometheus::Registry& registry, const Agent& agent, const char* name, const char* help,
                     ValueOf valueOf) {
  auto& family = prometheus::BuildGauge().Name(name).Help(help).Register(registry);
  for (const auto& network : agent.networks()) {
    prometheus::Labels labels;
    if (!network->name().empty()) labels.emplace("network", network->name());
    family.Add(labels).Set(valueOf(*network));
  }
}

void counter(prometheus::Registry& registry, const char* name, const char* help, double value) {
  prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({}).Increment(value);
}

/// What the nodes know of each other. All states are always there, so that a query needs no "or 0".
void addGossip(prometheus::Registry& registry, const Peers& peers) {
  std::map<std::string, double> states{
      {"alive", 0}, {"suspect", 0}, {"leaving", 0}, {"left", 0}, {"failed", 0}};
  for (const Peers::Node& node : peers.nodes()) states[node.status]++;
  auto& members =
      prometheus::BuildGauge().Name("twill_gossip_members").Help("Nodes by their state").Register(registry);
  for (const auto& [state, number] : states) members.Add({{"state", state}}).Set(number);

  const Peers::Counters counters = peers.counters();
  auto& dropped = prometheus::BuildCounter()
                      .Name("twill_gossip_dropped_total")
                      .Help("Messages of the nodes' gossip that no key opened, or that made no sense")
                      .Register(registry);
  dropped.Add({{"reason", "wrong_key"}}).Increment(static_cast<double>(counters.wrongKey));
  dropped.Add({{"reason", "garbage"}}).Increment(static_cast<double>(counters.garbage));
  counter(registry, "twill_slot_conflicts_total", "Subnets that two nodes had, of which one took another",
          static_cast<double>(counters.slotConflicts));

  std::map<std::string, double> uses{{"active", 0}, {"free", 0}, {"revoked", 0}};
  for (const Peers::Share& share : peers.pool().shares) {
    uses["active"] += share.active;
    uses["free"] += share.free;
    uses["revoked"] += share.revoked;
  }
  auto& slots = prometheus::BuildGauge()
                    .Name("twill_slots")
                    .Help("The cluster's subnets: in use, free, and those of removed nodes that rest")
                    .Register(registry);
  for (const auto& [use, number] : uses) slots.Add({{"use", use}}).Set(number);
}

/// Of each session, by the neighbour's address.
void addBgp(prometheus::Registry& registry, const BgpView::Status& status) {
  auto& up = prometheus::BuildGauge()
                 .Name("twill_bgp_session_up")
                 .Help("1 while the BGP session is established")
                 .Register(registry);
  auto& routes = prometheus::BuildGauge()
                     .Name("twill_bgp_session_routes")
                     .Help("Routes of the session: taken in, given out, and refused by the filters")
                     .Register(registry);
  for (const auto& session : status.sessions) {
    up.Add({{"neighbor", session.address}}).Set(session.state == "Established");
    routes.Add({{"neighbor", session.address}, {"direction", "in"}})
        .Set(static_cast<double>(session.routesIn));
    routes.Add({{"neighbor", session.address}, {"direction", "out"}})
        .Set(static_cast<double>(session.routesOut));
    routes.Add({{"neighbor", session.address}, {"direction", "refused"}})
        .Set(static_cast<double>(session.refused));
  }
  if (!status.external) gauge(registry, "twill_bgp_bird_up", "1 while BIRD answers", !status.version.empty());
  gauge(registry, "twill_bgp_learned_prefixes", "Subnets of others that came by BGP",
        static_cast<double>(status.learned));
  gauge(registry, "twill_bgp_dead_nodes", "Nodes that do not answer, and whose routes are taken out",
        static_cast<double>(status.dead.size()));
}

/// Of all networks together: they share the cloud's limits.
void addCloud(prometheus::Registry& registry, const Agent& agent) {
  const auto& networks = agent.networks();
  if (std::none_of(networks.begin(), networks.end(),
                   [](const auto& network) { return network->cloud().status().has_value(); }))
    return;
  auto& calls = prometheus::BuildCounter()
                    .Name("twill_cloud_calls_total")
                    .Help("Calls of the cloud's API, by how they ended")
                    .Register(registry);
  for (const auto& network : networks) {
    const auto status = network->cloud().status();
    if (!status) continue;
    for (const auto& [call, count] : status->calls)
      calls.Add({{"call", call.first}, {"outcome", cloud::textOf(call.second)}})
          .Increment(static_cast<double>(count));
  }
  gaugePerNetwork(registry, agent, "twill_cloud_in_place",
                  "1 when the cloud's tables lead this node's subnets to it",
                  [](const Network& network) -> double { return network.cloud().isUp(); });
  gaugePerNetwork(registry, agent, "twill_cloud_routes",
                  "Routes inside the cluster's networks in this node's tables of the cloud",
                  [](const Network& network) -> double {
                    const auto status = network.cloud().status();
                    return status ? static_cast<double>(status->routes) : 0;
                  });
}

}  // namespace

// Built anew for each scrape: the agent keeps plain numbers, and nothing on its way has to think of metrics.
std::string metricsText(const Agent& agent, const MapViews& map) {
  prometheus::Registry registry;
  const Journal& journal = agent.journal();
  const auto tunnel = agent.tunnelNumbers();
  gauge(registry, "twill_ready", "1 when all wanted state is in the kernel and the lease is held",
        agent.ready());
  gaugePerNetwork(registry, agent, "twill_leases", "Leases in the cluster, this node's own included",
                  [](const Network& network) -> double {
                    return network.cluster() ? static_cast<double>(network.cluster()->cluster.leases.size())
                                             : 0;
                  });
  gaugePerNetwork(registry, agent, "twill_lease_conflicts",
                  "Leases set aside because they conflict with another",
                  [](const Network& network) -> double {
                    return network.cluster() ? static_cast<double>(network.cluster()->conflicts.size()) : 0;
                  });
  gauge(registry, "twill_attachments", "Container interfaces on this node",
        static_cast<double>(agent.attachments().all().size()));
  gauge(registry, "twill_wanted_routes", "Routes this node should hold",
        static_cast<double>(agent.wanted().routes.size()));
  gauge(registry, "twill_problems", "Things that are not as they should be; twill status names them",
        static_cast<double>(agent.problemsWith(tunnel).size()));
  gaugePerNetwork(registry, agent, "twill_datastore_up",
                  "1 unless the datastore has failed, and the map is what it was before",
                  [](const Network& network) -> double { return network.datastoreUp(); });
  gaugePerNetwork(registry, agent, "twill_leased", "1 when the datastore holds this node's lease",
                  [](const Network& network) -> double { return network.decision().leased; });
  gauge(registry, "twill_waiting_owners",
        "Peers and containers whose operation failed and waits for its retry",
        static_cast<double>(agent.reconciler().failures().size()));
  counter(registry, "twill_operations_total", "Operations carried out in the kernel",
          static_cast<double>(journal.total()));
  counter(registry, "twill_operations_failed_total", "Operations that the kernel refused",
          static_cast<double>(journal.failed()));
  counter(registry, "twill_drift_repairs_total", "Operations that put back what somebody else had changed",
          static_cast<double>(journal.repairs()));
  if (tunnel) {
    counter(
        registry, "twill_tunnel_strangers_total",
        "Packets at a tunnel's port that were dropped: not a peer's, or with a source that is not its own",
        static_cast<double>(tunnel->strangers));
  }
  if (tunnel && tunnel->ipip) {
    counter(registry, "twill_ipip_sent_packets_total", "Packets to peers in other segments",
            static_cast<double>(tunnel->ipip->sentPackets));
    counter(registry, "twill_ipip_received_packets_total", "Packets from peers in other segments",
            static_cast<double>(tunnel->ipip->receivedPackets));
  }
  if (const auto path = agent.fastPath()) {
    counter(registry, "twill_fast_path_packets_total", "Packets that went past bridge and routing",
            static_cast<double>(path->numbers.local.packets + path->numbers.out.packets +
                                path->numbers.in.packets));
  }
  addCloud(registry, agent);
  if (map.peers != nullptr) addGossip(registry, *map.peers);
  if (map.bgp != nullptr) addBgp(registry, map.bgp->status());
  return prometheus::TextSerializer().Serialize(registry.Collect());
}

}  // namespace twill
