// SPDX-License-Identifier: Apache-2.0
#include "lab_status.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent_call.hpp"
#include "api/client.hpp"
#include "lab/lab_files.hpp"
#include "lab/picture.hpp"
#include "plan/bucket.hpp"
#include "terminal.hpp"

namespace twill {
namespace {

using Json = nlohmann::ordered_json;
using namespace std::chrono_literals;

/// What an agent answers; an object with its error when it does not.
Json ask(const lab::Lab& lab, const std::string& node, const std::string& target) {
  auto reply = api::call(lab::socketFile(lab.directory(), node), {.target = target, .timeout = 2s});
  Json body = reply ? Json::parse(reply->body, nullptr, false) : Json();
  if (body.is_object()) return body;
  return {{"error", reply ? reply->body : reply.error().text}};
}

/// Everything about one node, as `lab status --json` has it.
Json nodeJson(const lab::Lab& lab, const lab::NodePlan& plan) {
  const Json status = ask(lab, plan.name, "/v1/status");
  Json problems = status.value("problems", Json::array());
  if (status.contains("error")) problems.push_back(status["error"]);
  Json out = {{"name", plan.name},
              {"segment", lab.topology().segments[static_cast<std::size_t>(plan.segment)].bridge},
              {"ready", status.value("ready", false)},
              {"address", plan.v4.text()},
              {"address6", plan.v6 ? Json(plan.v6->text()) : Json(nullptr)},
              {"lease", status.value("lease", Json(nullptr))},
              {"problems", problems},
              {"containers", Json::array()}};
  const Json attachments = ask(lab, plan.name, "/v1/attachments");
  for (const Json& attachment : attachments.value("attachments", Json::array())) {
    out["containers"].push_back({{"name", attachment.value("container", "")},
                                 {"addresses", attachment.value("addresses", Json::array())},
                                 {"mode", attachment.value("mode", "")}});
  }
  return out;
}

lab::MachineView viewOf(const Json& node, const lab::NodePlan& plan) {
  lab::MachineView view{.name = plan.name, .segment = plan.segment, .ready = node["ready"]};
  bool bridged = false;
  for (const Json& container : node["containers"]) {
    std::string addresses;
    for (const Json& address : container["addresses"]) {
      const std::string text = address;
      addresses += (addresses.empty() ? "" : " ") + text.substr(0, text.find('/'));
    }
    view.containers.push_back({container["name"], addresses});
    bridged = bridged || container["mode"] == "bridge";
  }
  const Json& lease = node["lease"];
  const auto subnet = Prefix::parse(lease.is_object() ? text(lease, "subnet") : std::string());
  if (bridged && subnet)
    view.bridge = fmt::format("twill0 {}/{}", subnet->address().plus(1).text(), subnet->length());
  view.uplinks.push_back("eth0 " + plan.v4.text());
  if (plan.v6) view.uplinks.push_back("     " + plan.v6->text());
  return view;
}

lab::MachineView routerView(const lab::Topology& topology) {
  lab::MachineView router{.name = "router", .ready = true};
  for (const auto& segment : topology.segments) {
    router.uplinks.push_back(segment.bridge + " " + segment.router4.text());
    if (segment.router6) router.uplinks.back() += " " + segment.router6->text();
  }
  return router;
}

std::vector<std::string> segmentLabels(const lab::Topology& topology) {
  std::vector<std::string> labels;
  for (const auto& segment : topology.segments) {
    labels.push_back(fmt::format("{} {}", segment.bridge, segment.router4.prefix().text()));
    if (segment.mtu != kDefaultMtu) labels.back() += fmt::format(" MTU {}", segment.mtu);
  }
  return labels;
}

/// The first, and where to find the rest.
void printProblems(const std::string& lab, const Json& node) {
  const Json& problems = node["problems"];
  if (problems.empty()) return;
  const std::string name = node["name"];
  fmt::print("{} {}\n", paint(Tone::bad, name + ":"), problems[0].get<std::string>());
  if (problems.size() > 1) {
    fmt::print("{} and {} more: twill lab exec --name {} {} -- twill status\n",
               std::string(name.size() + 1, ' '), problems.size() - 1, lab, name);
  }
}

}  // namespace

std::size_t terminalWidth() {
  winsize size{};
  const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 100;
}

Result<int> showStatus(const lab::Lab& lab, bool json) {
  Json out = Json::parse(lab::toJson(lab.spec()));
  out["nodes"] = Json::array();
  std::vector<lab::MachineView> views;
  bool ready = true;
  for (const auto& plan : lab.topology().nodes) {
    Json node = nodeJson(lab, plan);
    ready = ready && node["ready"].get<bool>();
    views.push_back(viewOf(node, plan));
    out["nodes"].push_back(std::move(node));
  }
  if (json) {
    fmt::print("{}\n", out.dump(2));
    return ready ? 0 : 1;
  }
  fmt::print("lab {}: {} over {}{}\n\n", paint(Tone::bold, lab.spec().name), lab.spec().backend,
             lab.spec().datastore,
             lab.spec().shaped() ? fmt::format("; nodes' cables: {}", cableWords(lab.spec())) : "");
  const auto router = routerView(lab.topology());
  fmt::print("{}", lab::picture(views, lab.topology().hasRouter() ? &router : nullptr,
                                segmentLabels(lab.topology()), terminalWidth(), paint));
  for (const Json& node : out["nodes"]) printProblems(lab.spec().name, node);
  return ready ? 0 : 1;
}

Result<int> runTest(const lab::Lab& lab, bool json) {
  TWILL_TRY(const auto rows, lab::testConnectivity(lab, 2s));
  if (json) {
    fmt::print("{}", lab::toJson(rows));
  } else {
    fmt::print("{}", lab::matrix(rows, terminalWidth(), paint));
  }
  for (const auto& row : rows) {
    if (!row.ok) return 1;
  }
  return rows.empty() ? fail("nothing to check: the lab has one node and no containers") : Result<int>(0);
}

}  // namespace twill
