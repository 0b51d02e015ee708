// SPDX-License-Identifier: Apache-2.0
#include "agent/bgp_calls.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "agent/agent.hpp"
#include "agent/refusal.hpp"

namespace twill {
namespace {

using Json = nlohmann::ordered_json;

Json textOrNull(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

}  // namespace

Json bgpView(const BgpView::Status& status) {
  Json sessions = Json::array();
  for (const auto& session : status.sessions) {
    sessions.push_back({{"address", session.address},
                        {"node", textOrNull(session.node)},
                        {"as", session.as},
                        {"outside", session.outside},
                        {"state", session.state},
                        {"since", textOrNull(session.since)},
                        {"routes_in", session.routesIn},
                        {"routes_out", session.routesOut},
                        {"routes_refused", session.refused},
                        {"last_error", textOrNull(session.error)}});
  }
  return {{"external", status.external},
          {"bird", textOrNull(status.version)},
          {"problem", textOrNull(status.problem)},
          {"address", textOrNull(status.address)},
          {"as", status.as},
          {"announced", status.announced},
          {"learned", status.learned},
          {"dead", status.dead},
          {"sessions", std::move(sessions)}};
}

Json bgpSummary(const BgpView::Status& status) {
  const auto established = std::count_if(status.sessions.begin(), status.sessions.end(),
                                         [](const auto& session) { return session.state == "Established"; });
  return {{"bird", textOrNull(status.version)},
          {"sessions", status.sessions.size()},
          {"established", established},
          {"learned", status.learned},
          {"dead", status.dead}};
}

void addBgpRoutes(api::Server& server, const Agent& agent, const BgpView* bgp) {
  server.route("GET", "/v1/bgp", api::Server::Exposure::localOnly, [&agent, bgp](const api::Request&) {
    if (bgp == nullptr) {
      return refusal(
          {.text = fmt::format("BGP sessions are what the datastore bgp has; this node's datastore is {}",
                               agent.options().datastore),
           .kind = Error::Kind::missing});
    }
    // Names and errors come from other machines; a broken byte must not stop the answer.
    return api::Response{.body = bgpView(bgp->status()).dump(2, ' ', false, Json::error_handler_t::replace) +
                                 "\n"};
  });
}

}  // namespace twill
