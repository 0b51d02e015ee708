// SPDX-License-Identifier: Apache-2.0
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "agent/agent.hpp"
#include "agent/views.hpp"

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

}  // namespace

// Built anew for each scrape: the agent keeps plain numbers, and nothing on its way has to think of metrics.
std::string metricsText(const Agent& agent) {
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
  if (const auto path = agent.fastPath()) {
    counter(registry, "twill_fast_path_packets_total", "Packets that went past bridge and routing",
            static_cast<double>(path->numbers.local.packets + path->numbers.out.packets +
                                path->numbers.in.packets));
  }
  return prometheus::TextSerializer().Serialize(registry.Collect());
}

}  // namespace twill
