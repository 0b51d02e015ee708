// SPDX-License-Identifier: Apache-2.0
#include "agent/peer_calls.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "agent/agent.hpp"
#include "agent/peer_views.hpp"
#include "agent/refusal.hpp"
#include "datastore/gossip/key_survey.hpp"

namespace twill {
namespace {

using Json = nlohmann::ordered_json;
using Answer = api::Server::Answer;

/// Names come from other machines; a broken byte must not stop the answer.
api::Response ok(const Json& json) {
  return {.body = json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"};
}

std::string parameter(const api::Request& request, const std::string& name) {
  const auto found = request.query.find(name);
  return found == request.query.end() ? std::string() : found->second;
}

void getNodes(const Agent& agent, const Peers& peers, const Answer& answer) {
  const Network& network = *agent.networks().front();
  static const std::vector<Lease> kNone;
  const auto& leases = network.cluster() ? network.cluster()->cluster.leases : kNone;
  answer(ok(nodesView(agent.options().node, leases, peers.nodes())));
}

void removePeer(Peers& peers, const api::Request& request, const Answer& answer) {
  const std::string node = parameter(request, "node");
  if (node.empty())
    return answer(refusal({.text = "which node? ?node= is its name or id", .kind = Error::Kind::invalid}));
  // What it held is told afterwards, when nobody knows it any more.
  Json gone{{"node", nullptr}, {"id", nullptr}, {"subnets", 0}};
  for (const Peers::Share& share : peers.pool().shares) {
    if (share.node == node || share.id == node)
      gone = {{"node", share.node}, {"id", share.id}, {"subnets", share.free + share.active + share.revoked}};
  }
  peers.remove(node, parameter(request, "force") == "true",
               [answer, gone = std::move(gone)](const Result<void>& done) {
                 answer(done ? ok(gone) : refusal(done.error()));
               });
}

void changeKeys(Peers& peers, const std::string& command, const std::string& key, bool show,
                const Answer& answer) {
  // As they are now: one that fails while it is asked gives no answer, either.
  const auto asked = [answer, key, show, nodes = peers.nodes()](const Result<Peers::KeysOfAll>& keys) {
    if (!keys) return answer(refusal(keys.error()));
    Json view = keysView(*keys, nodes, show);
    if (!key.empty()) view["fingerprint"] = gossip::fingerprintOf(key);
    answer(ok(view));
  };
  peers.changeKeys(command, key, asked);
}

void postKeys(Peers& peers, const api::Request& request, const Answer& answer) {
  const Json body = Json::parse(request.body, nullptr, false);
  const auto textOf = [&body](const char* key) {
    const auto found = body.is_object() ? body.find(key) : body.end();
    return found != body.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  const std::string command = textOf("command");
  const std::string key = textOf("key");
  if (command.empty() || (command != "list" && key.empty())) {
    return answer(
        refusal({.text = R"(expected {"command": "list", "add", "use" or "remove", "key": a key in base64})",
                 .kind = Error::Kind::invalid}));
  }
  changeKeys(peers, command, command == "list" ? std::string() : key, false, answer);
}

}  // namespace

void addPeerRoutes(api::Server& server, const Agent& agent, Peers* peers) {
  using api::Request;
  const auto route = [&](const char* method, const char* path, auto serve) {
    server.routeLate(
        method, path, api::Server::Exposure::localOnly,
        [&agent, peers, serve](const Request& request, const Answer& answer) {
          if (peers != nullptr) return serve(*peers, request, answer);
          answer(refusal({.text = fmt::format("nodes that know each other, their shares of the subnets and "
                                              "their keys are what the datastore gossip has; this node's "
                                              "datastore is {}",
                                              agent.options().datastore),
                          .kind = Error::Kind::missing}));
        });
  };
  route("GET", "/v1/nodes",
        [&agent](const Peers& all, const Request&, const Answer& answer) { getNodes(agent, all, answer); });
  route("GET", "/v1/subnets", [&agent](const Peers& all, const Request&, const Answer& answer) {
    answer(ok(subnetsView(agent.options().node, all.pool())));
  });
  route("DELETE", "/v1/peers", removePeer);
  route("POST", "/v1/leave", [&agent](Peers& all, const Request&, const Answer& answer) {
    const bool unused = agent.attachments().all().empty() && agent.attachments().unknown().empty();
    all.leave(unused, [answer, unused](const Result<void>& done) {
      answer(done ? ok({{"gave_back", unused}}) : refusal(done.error()));
    });
  });
  route("POST", "/v1/adopt", [&agent](Peers& all, const Request&, const Answer& answer) {
    all.adopt([answer, node = agent.options().node](const Result<void>& done) {
      answer(done ? ok({{"node", node}}) : refusal(done.error()));
    });
  });
  route("GET", "/v1/keys", [](Peers& all, const Request& request, const Answer& answer) {
    changeKeys(all, "list", "", parameter(request, "show") == "true", answer);
  });
  route("POST", "/v1/keys", postKeys);
}

}  // namespace twill
