// SPDX-License-Identifier: Apache-2.0
#include "scene.hpp"

#include <array>
#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "api/client.hpp"
#include "base/file.hpp"
#include "kernel/netns.hpp"
#include "lab/lab.hpp"
#include "lab/lab_files.hpp"
#include "trace/survey.hpp"

namespace twill {
namespace {

using Json = nlohmann::json;
using trace::PlaceKind;
using trace::Site;

constexpr const char* kSocket = "/run/twill/twill.sock";

/// What twill-tunnel does there; nothing when it has nothing to do, or nobody may know.
std::optional<TunnelConfig> tunnelOf(const std::string& runDir) {
  const auto text = readFile(runDir + "/tunnel.json");
  auto config = text ? TunnelConfig::parse(*text) : Result<TunnelConfig>(fail(text.error().text));
  return config ? std::optional(std::move(*config)) : std::nullopt;
}

/// Where a process of the lab carries frames between a node's cable and a TAP device on the segment's bridge,
/// the cable counts as the bridge's port.
void plugCables(const lab::Lab& lab, trace::Network& network) {
  auto& wire = network.places[*network.placeNamed("wire")].interfaces;
  for (const lab::NodePlan& node : lab.topology().nodes) {
    const auto tap = wire.find(lab::tapName(node));
    const auto cable = wire.find(node.name);
    if (tap == wire.end() || cable == wire.end()) continue;
    cable->second.link.master = tap->second.link.master;
    wire.erase(tap);
  }
}

Result<Scene> labScene(const std::string& name) {
  TWILL_TRY(const lab::Lab lab, lab::Lab::open(name));
  std::vector<Site> sites;
  for (const lab::PlaceName& place : lab.places()) {
    TWILL_TRY(const std::string path, lab.namespaceOf(place));
    TWILL_TRY(Fd netns, openNamespace(path));
    const PlaceKind kind = !place.container.empty()    ? PlaceKind::container
                           : place.machine == "router" ? PlaceKind::router
                                                       : PlaceKind::node;
    const bool node = kind == PlaceKind::node;
    const auto socket = std::filesystem::path(lab::socketFile(lab.directory(), place.machine));
    sites.push_back({place.text(), kind, std::move(netns),
                     node ? tunnelOf(socket.parent_path().string()) : std::nullopt});
  }
  TWILL_TRY(const std::string wire, lab.namespaceOf({"wire", ""}));
  TWILL_TRY(Fd netns, openNamespace(wire));
  sites.push_back({"wire", PlaceKind::wire, std::move(netns), std::nullopt});
  Scene scene;
  TWILL_TRY(scene.network, trace::survey(std::move(sites)));
  plugCables(lab, scene.network);
  scene.labels = {.title = name == lab::Spec().name ? "Twill lab" : "Twill lab " + name,
                  .backend = lab.spec().backend,
                  .datastore = lab.spec().datastore,
                  .network = lab.spec().ipv6 ? "172.16.0.0/16, fd42::/48" : "172.16.0.0/16"};
  return scene;
}

/// What the agent of this node says; null when there is none.
Json ask(const std::string& target) {
  auto reply = api::call(kSocket, {.target = target});
  Json body = reply ? Json::parse(reply->body, nullptr, false) : Json();
  return body.is_object() ? body : Json();
}

std::string textOf(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

Result<Scene> nodeScene(const Json& status) {
  std::array<char, 256> host{};
  (void)::gethostname(host.data(), host.size() - 1);
  const std::string node = status.is_object() ? textOf(status, "node") : host.data();
  std::vector<Site> sites;
  TWILL_TRY(Fd own, ownNamespace());
  sites.push_back({node, PlaceKind::node, std::move(own), tunnelOf("/run/twill")});
  const Json attachments = status.is_object() ? ask("/v1/attachments") : Json();
  if (attachments.is_object()) {
    for (const Json& attachment : attachments["attachments"]) {
      auto netns = openNamespace(textOf(attachment, "netns"));
      if (!netns) continue;  // the container has just ended
      sites.push_back({node + "/" + textOf(attachment, "container"), PlaceKind::container, std::move(*netns),
                       std::nullopt});
    }
  }
  Scene scene;
  auto network = trace::survey(std::move(sites));
  if (!network) {
    if (network.error().code == EPERM) network.error().text += "; run it as root";
    return Failure(std::move(network.error()));
  }
  scene.network = std::move(*network);
  scene.labels.title = "node " + node;
  if (!status.is_object()) return scene;
  scene.labels.backend = textOf(status, "backend");
  scene.labels.datastore = textOf(status, "datastore");
  scene.labels.network = textOf(status, "network");
  return scene;
}

}  // namespace

Result<Scene> openScene(const std::string& lab) {
  if (!lab.empty()) return labScene(lab);
  const Json status = ask("/v1/status");
  const std::string usual = lab::Spec().name;
  if (!status.is_object() && lab::isRunning(usual)) return labScene(usual);
  return nodeScene(status);
}

}  // namespace twill
