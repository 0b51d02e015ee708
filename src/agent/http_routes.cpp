// SPDX-License-Identifier: Apache-2.0
#include "agent/http_routes.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "agent/agent.hpp"
#include "agent/cni_calls.hpp"
#include "agent/views.hpp"

namespace twill {
namespace {

api::Response plain(int status, std::string text) {
  return {.status = status, .body = std::move(text) + "\n", .contentType = "text/plain; charset=utf-8"};
}

api::Response readiness(const Agent& agent) {
  if (agent.ready()) return plain(200, "ready");
  auto problems = agent.problems().all();
  return plain(503, problems.empty() ? "not ready: waiting for the datastore"
                                     : fmt::format("not ready:\n{}", fmt::join(problems, "\n")));
}

}  // namespace

void addRoutes(api::Server& server, Agent& agent, const MapViews& map) {
  using api::Request;
  using Exposure = api::Server::Exposure;
  auto view = [&](const std::string& path, std::string (*render)(const Agent&)) {
    server.route("GET", path, Exposure::localOnly,
                 [&agent, render](const Request&) { return api::Response{.body = render(agent)}; });
  };
  server.route("GET", "/v1/status", Exposure::localOnly,
               [&agent, map](const Request&) { return api::Response{.body = statusJson(agent, map)}; });
  view("/v1/diff", diffJson);
  view("/v1/operations", operationsJson);
  view("/v1/attachments", attachmentsJson);
  server.route("GET", "/healthz", Exposure::alsoTcp, [](const Request&) { return plain(200, "ok"); });
  server.route("GET", "/readyz", Exposure::alsoTcp, [&agent](const Request&) { return readiness(agent); });
  server.route("GET", "/metrics", Exposure::alsoTcp, [&agent, map](const Request&) {
    return api::Response{.body = metricsText(agent, map), .contentType = "text/plain; version=0.0.4"};
  });
  server.route("POST", "/v1/cni", Exposure::localOnly,
               [&agent](const Request& request) { return cniCall(agent, request); });
}

}  // namespace twill
