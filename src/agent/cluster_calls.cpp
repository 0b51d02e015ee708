// SPDX-License-Identifier: Apache-2.0
#include "agent/cluster_calls.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "agent/agent.hpp"
#include "agent/lease_view.hpp"
#include "agent/network_conflicts.hpp"
#include "agent/refusal.hpp"

namespace twill {
namespace {

using Json = nlohmann::ordered_json;
using Answer = api::Server::Answer;

/// So many leases are named where all would be too many.
constexpr std::size_t kNamed = 5;

/// What a call is about.
struct Target {
  const Network& network;
  Administration& map;
};

Administration::OnDone answering(Answer answer) {
  return [answer = std::move(answer)](const Result<void>& done) {
    answer(done ? api::Response{.body = "{}\n"} : refusal(done.error()));
  };
}

/// Leases that would lie outside of the network, and so lose their nodes' containers.
Result<void> keepsLeases(const NetworkConfig& network, const std::optional<SoundCluster>& cluster) {
  if (!cluster) return {};
  std::vector<std::string> out;
  for (const Lease& lease : cluster->cluster.leases) {
    for (const Family family : {Family::v4, Family::v6}) {
      const FamilyConfig* config = network.family(family);
      const auto& subnet = lease.subnetOf(family);
      if (subnet && (config == nullptr || !config->network.contains(*subnet)))
        out.push_back(fmt::format("{} of {}", subnet->text(), lease.name()));
    }
  }
  if (out.empty()) return {};
  const std::size_t all = out.size();
  out.resize(std::min(all, kNamed));
  return fail(fmt::format("{} lease{} would lie outside of the network ({}{}): their containers would lose "
                          "their addresses; --force does it all the same",
                          all, all == 1 ? "" : "s", fmt::join(out, ", "), all > kNamed ? ", ..." : ""),
              Error::Kind::conflict);
}

/// A network that the node could not be in beside its others.
Result<void> keepsOthers(const NetworkConfig& config, const Network& network, const Agent& agent) {
  for (const auto& other : agent.networks()) {
    if (other.get() == &network || other->inForce() == nullptr) continue;
    if (const auto conflict = conflictOf(config, *other->inForce(), other->lingering()); !conflict.empty()) {
      return fail(fmt::format("{} of network {}, which is in force on this node", conflict, other->name()),
                  Error::Kind::conflict);
    }
  }
  return {};
}

void putConfig(const Agent& agent, const Target& target, const api::Request& request, const Answer& answer) {
  const auto network = parseNetworkConfig(request.body);
  if (!network) return answer(refusal(network.error()));
  const auto force = request.query.find("force");
  const bool forced = force != request.query.end() && force->second == "true";
  if (const auto keeps = keepsOthers(*network, target.network, agent); !keeps)
    return answer(refusal(keeps.error()));
  if (const auto keeps = keepsLeases(*network, target.network.cluster()); !keeps && !forced)
    return answer(refusal(keeps.error()));
  target.map.configure(request.body, answering(answer));
}

void reserve(Administration& administration, const api::Request& request, const Answer& answer) {
  const auto leases = parseLeases(R"({"Leases":[)" + request.body + "]}");
  if (!leases) return answer(refusal(leases.error()));
  if (leases->size() != 1)
    return answer(refusal({.text = "expected one lease", .kind = Error::Kind::invalid}));
  administration.reserve(leases->front(), answering(answer));
}

void release(Administration& administration, const api::Request& request, const Answer& answer) {
  const auto subnet = request.query.find("subnet");
  const auto prefix = Prefix::parse(subnet == request.query.end() ? std::string() : subnet->second);
  if (!prefix) return answer(refusal(prefix.error()));
  administration.release(*prefix, answering(answer));
}

api::Response leasesView(const Network& network, const std::vector<Administration::Tenure>& tenures) {
  std::map<Prefix, const Administration::Tenure*> bySubnet;
  for (const auto& tenure : tenures) bySubnet.emplace(tenure.subnet, &tenure);
  Json leases = Json::array();
  if (network.cluster()) {
    for (const Lease& lease : network.cluster()->cluster.leases) {
      const auto& subnet = lease.subnet ? lease.subnet : lease.subnet6;
      const auto found = subnet ? bySubnet.find(*subnet) : bySubnet.end();
      leases.push_back(leaseView(lease, found == bySubnet.end() ? nullptr : found->second));
    }
  }
  return {.body = Json{{"node", network.options().node}, {"leases", std::move(leases)}}.dump(2) + "\n"};
}

void getLeases(const Target& target, const Answer& answer) {
  target.map.tenures(
      [&network = target.network, answer](const Result<std::vector<Administration::Tenure>>& tenures) {
        answer(tenures ? leasesView(network, *tenures) : refusal(tenures.error()));
      });
}

Result<Target> targetOf(const api::Request& request, const Agent& agent,
                        const std::vector<Administration*>& maps) {
  const auto& networks = agent.networks();
  const auto asked = request.query.find("network");
  const std::string name = asked == request.query.end() ? "" : asked->second;
  std::string known;
  for (std::size_t i = 0; i < networks.size(); ++i) {
    if (networks[i]->name() == name || (name.empty() && networks.size() == 1))
      return Target{*networks[i], *maps.at(i)};
    known += (known.empty() ? "" : ", ") + networks[i]->name();
  }
  return fail(
      fmt::format("{}; name one of {} by --network",
                  name.empty() ? "this node is in several networks" : "this node is in no network " + name,
                  known.empty() ? "none" : known),
      Error::Kind::invalid);
}

}  // namespace

void addClusterRoutes(api::Server& server, const Agent& agent, std::vector<Administration*> maps) {
  using api::Request;
  const auto route = [&](const char* method, const char* path, auto serve) {
    server.routeLate(method, path, api::Server::Exposure::localOnly,
                     [&agent, maps, serve](const Request& request, const Answer& answer) {
                       const auto target = targetOf(request, agent, maps);
                       if (!target) return answer(refusal(target.error()));
                       serve(*target, request, answer);
                     });
  };
  route("GET", "/v1/leases",
        [](const Target& target, const Request&, const Answer& answer) { getLeases(target, answer); });
  route("GET", "/v1/config", [](const Target& target, const Request&, const Answer& answer) {
    const auto text = target.map.config();
    answer(text ? api::Response{.body = *text} : refusal(text.error()));
  });
  route("PUT", "/v1/config", [&agent](const Target& target, const Request& request, const Answer& answer) {
    putConfig(agent, target, request, answer);
  });
  route("POST", "/v1/leases", [](const Target& target, const Request& request, const Answer& answer) {
    reserve(target.map, request, answer);
  });
  route("DELETE", "/v1/leases", [](const Target& target, const Request& request, const Answer& answer) {
    release(target.map, request, answer);
  });
}

}  // namespace twill
